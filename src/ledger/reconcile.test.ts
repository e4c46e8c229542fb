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
import { ledgerOptions } from "./testing/ledger-options.ts";

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

  const openHere = () => openLedger(ledgerOptions({ folder }));

  it("says what the stream lost, doubled or changed, what waits, and what the database lacks, beside a running gateway", async () => {
    const ledger = await openHere();
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

  it("compares contents of events in CloudEvents JSON, too, and of what is no event says that it differs", async () => {
    const ledger = await openHere();
    const sinceMs = Date.now() - 60_000;
    const access = { servers: [server.url] };
    const publisher = new Publisher(ledger.outbox, {
      access,
      stream: "USAGE",
      format: "cloudevents-json",
      instance: "g",
      log: quiet,
    });
    const eventOf = (eventId: string) =>
      create(UsageEventSchema, {
        eventId,
        eventTime: timestampFromMs(Date.now()),
        duration: { seconds: 1n, nanos: 234_567_891 },
        usage: { inputTokens: 0, providerToolCalls: { web_search: 2 } },
        cost: { totalNanoUsd: 9_007_199_254_740_993n },
        labels: { "10": "a", feature: "ünï", "2": "b" },
      });
    for (const id of ["a", "b", "c"]) await ledger.finish(eventOf(id));
    await ledger.finish(create(UsageEventSchema, { eventId: "old", eventTime: timestampFromMs(sinceMs - 1) }));
    await vi.waitFor(() => expect(ledger.figures.outboxDepth).toBe(0), { timeout: 10_000 });
    await publisher.close(1_000);
    const compare = () => reconcile({ folders: [folder], access, sinceMs });
    expect(await compare()).toMatchObject({ inJournal: 3, inStream: 3, missingInStream: [], differing: [] });

    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    const textAt = async (seq: number) =>
      new TextDecoder().decode((await manager.streams.getMessage("USAGE", { seq }))?.data);
    const texts = {
      a: await textAt(1),
      b: (await textAt(2)).replace("9007199254740993", "9007199254740992"),
      c: "{",
    };
    await manager.streams.purge("USAGE");
    await setUpStream({ access, stream: "USAGE", duplicateWindowMs: 100 });
    await vi.waitFor(
      async () => {
        for (const [id, text] of Object.entries(texts)) {
          const withId = headers();
          withId.set("Content-Type", "application/cloudevents+json");
          withId.set("Nats-Msg-Id", id);
          await jetstream(connection).publish("llmgateway.usage.v1._.chat.succeeded", text, { headers: withId });
        }
        expect((await manager.streams.info("USAGE")).state.messages).toBeGreaterThanOrEqual(3);
      },
      { timeout: 10_000, interval: 150 },
    );
    await connection.close();
    expect(await compare()).toMatchObject({ missingInStream: [], differing: ["b", "c"] });
    await ledger.close();
  });
});
