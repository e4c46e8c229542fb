import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type NatsServer, startNats } from "../../test/nats-server.ts";
import { UsageEventSchema } from "../contract.ts";
import { openLedger } from "./ledger.ts";
import { setUpStream } from "./nats-setup.ts";
import { Publisher } from "./publisher/publisher.ts";
import { reconcile } from "./reconcile.ts";

const quiet = { warn: () => undefined, info: () => undefined };

describe("reconciliation", () => {
  let folder: string;
  let server: NatsServer;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "reconcile-"));
    server = await startNats();
    await setUpStream({ access: { servers: [server.url] } });
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("says what the stream lost, doubled or changed, what waits, and what the database lacks, beside a running gateway", async () => {
    const ledger = await openLedger({
      folder,
      instance: "gateway-1",
      durability: "os",
      retainMs: 60_000,
      maxBytes: 1 << 30,
      delivery: "outbox",
      reprice: () => undefined,
      onPoisoned: () => undefined,
      log: quiet,
      now: Date.now,
    });
    const record = (eventId: string, atMs = Date.now()): Promise<void> =>
      ledger.finish(
        create(UsageEventSchema, {
          eventId,
          eventTime: timestampFromMs(atMs),
          attempts: [
            { provider: "openrouter", providerModel: "m", costNanoUsd: 100n, reportedCostNanoUsd: 110n },
            { provider: "openai", providerModel: "m", costNanoUsd: 100n },
          ],
        }),
      );
    const sinceMs = Date.now() - 60_000;
    const access = { servers: [server.url] };
    const publisher = new Publisher(ledger.outbox, {
      access,
      stream: "USAGE",
      format: "protobuf",
      instance: "g",
      log: quiet,
    });
    for (const id of ["a", "b", "c"]) await record(id);
    await record("too-old", sinceMs - 1);
    await vi.waitFor(() => expect(ledger.figures.outboxDepth).toBe(0), { timeout: 10_000 });
    const clean = await reconcile({ folders: [folder], access, sinceMs, bookedIds: ["a", "b", "c"] });
    expect(clean).toEqual({
      inJournal: 3,
      inStream: 3,
      booked: 3,
      waiting: 0,
      missingInStream: [],
      doubledInStream: [],
      differing: [],
      missingInDatabase: [],
      doubledInDatabase: [],
      reported: [{ provider: "openrouter", model: "m", attempts: 3, reportedNanoUsd: "330", comparedNanoUsd: "300" }],
    });

    await publisher.close(1_000);
    await record("d");
    const connection = await connect({ servers: server.url });
    // "a" is lost with the rest of the stream; "b" comes back changed, "c" twice.
    const manager = await jetstreamManager(connection);
    const kept = await manager.streams.getMessage("USAGE", { seq: 3 });
    await manager.streams.purge("USAGE");
    const other = await connect({ servers: server.url });
    const send = async (id: string, payload: Uint8Array): Promise<void> => {
      const withId = headers();
      withId.set("Content-Type", "application/x-protobuf");
      withId.set("Nats-Msg-Id", id);
      await jetstream(other).publish("llmgateway.usage.v1._.chat.succeeded", payload, { headers: withId });
    };
    await setUpStream({ access, stream: "USAGE", duplicateWindowMs: 100 });
    const event = kept?.data ?? new Uint8Array();
    // The same id is stored again once the window of the stream has passed.
    await vi.waitFor(
      async () => {
        await send("c", event);
        expect((await manager.streams.info("USAGE")).state.messages).toBe(2);
      },
      { timeout: 10_000, interval: 150 },
    );
    await send("b", event);
    await other.close();
    await connection.close();

    const found = await reconcile({ folders: [folder], access, sinceMs, bookedIds: ["c", "c"] });
    expect(found).toMatchObject({
      inJournal: 4,
      waiting: 1,
      missingInStream: ["a"],
      doubledInStream: ["c"],
      differing: ["b"],
      missingInDatabase: ["b"],
      doubledInDatabase: ["c"],
    });
    await ledger.close();
  });
});
