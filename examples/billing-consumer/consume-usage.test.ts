import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { create, toBinary } from "@bufbuild/protobuf";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UsageEventSchema } from "../../src/contract.ts";
import { toEventHead } from "../../src/ledger/event-head.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { toEventMessage } from "../../src/ledger/publisher/event-message.ts";
import { type NatsServer, startNats } from "../../test/nats-server.ts";
import { BillingDatabase, type Booked } from "./billing-database.ts";
import { consumeUsage } from "./consume-usage.ts";

const subject = "llmgateway.usage.v1.search.chat.succeeded";

describe("the billing consumer", () => {
  let server: NatsServer;
  let folder: string;
  beforeEach(async () => {
    server = await startNats();
    await setUpStream({ access: { servers: [server.url] } });
    folder = await mkdtemp(join(tmpdir(), "billing-"));
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("books each event once, however often it is in the stream, and rides out a restart of NATS", async () => {
    const path = join(folder, "billing.sqlite");
    const publish = async (payloads: readonly Uint8Array[]): Promise<void> => {
      const connection = await connect({ servers: server.url });
      for (const payload of payloads) await jetstream(connection).publish(subject, payload);
      await connection.close();
    };
    const eventOf = (id: string, cost: bigint, corrects = ""): Uint8Array =>
      toBinary(
        UsageEventSchema,
        create(UsageEventSchema, { eventId: id, cost: { totalNanoUsd: cost }, correctsEventId: corrects }),
      );
    await publish([eventOf("a", 1n), eventOf("b", 2n), eventOf("a", 1n), new Uint8Array([255, 255])]);
    const abort = new AbortController();
    const database = new BillingDatabase(path);
    const running = consumeUsage({
      nats: { servers: server.url, reconnectTimeWait: 50 },
      database,
      signal: abort.signal,
    });
    const reading = new DatabaseSync(path);
    const rows = (): unknown[] =>
      reading
        .prepare("SELECT event_id FROM usage_event ORDER BY event_id")
        .all()
        .map((row) => row["event_id"]);
    await vi.waitFor(() => expect(rows()).toEqual(["a", "b"]), { timeout: 10_000 });
    expect(reading.prepare("SELECT COUNT(*) AS n FROM unreadable").get()).toMatchObject({ n: 1 });

    await server.kill();
    await server.restart();
    await publish([eventOf("b", 2n), eventOf("c", 3n, "a")]);
    await vi.waitFor(() => expect(rows()).toEqual(["a", "b", "c"]), { timeout: 20_000 });
    expect(reading.prepare("SELECT SUM(cost_nano_usd) AS cost FROM billable").get()).toMatchObject({ cost: 5 });
    abort.abort();
    await running;
    reading.close();
    database.close();
  });

  it("bills the newest correction of an event alone, whatever the order in which they arrive", () => {
    const [original, first, second, twin] = [
      { eventId: "a", cost: { totalNanoUsd: 1n } },
      { eventId: "b", cost: { totalNanoUsd: 20n }, correctsEventId: "a" },
      { eventId: "c", cost: { totalNanoUsd: 300n }, correctsEventId: "b" },
      // Of a gateway whose journal was set back: another correction of the same event.
      { eventId: "d", cost: { totalNanoUsd: 4_000n }, correctsEventId: "b" },
    ].map((shape) => ({ event: create(UsageEventSchema, shape), payload: new Uint8Array() }));
    const orders = [
      { deliveries: [original, first], cost: 20 },
      { deliveries: [first, original], cost: 20 },
      { deliveries: [second, first, original], cost: 300 },
      { deliveries: [twin, original, second, first], cost: 4_000 },
      { deliveries: [second, twin, first, original], cost: 4_000 },
    ];
    for (const [index, { deliveries, cost }] of orders.entries()) {
      const path = join(folder, `order-${index}.sqlite`);
      const database = new BillingDatabase(path);
      for (const delivery of deliveries) if (delivery !== undefined) database.book([delivery]);
      const reading = new DatabaseSync(path);
      const sum = reading.prepare("SELECT COUNT(*) AS n, SUM(cost_nano_usd) AS cost FROM billable");
      expect(sum.get()).toMatchObject({ n: 1, cost });
      reading.close();
      database.close();
    }
  });

  it("books events in CloudEvents JSON as it books those in protobuf", async () => {
    const event = create(UsageEventSchema, {
      eventId: "json-1",
      principal: { projectId: "search" },
      usage: { inputTokens: 12 },
      cost: { totalNanoUsd: 9_007_199_254_740_993n },
    });
    const message = toEventMessage(toEventHead(event), toBinary(UsageEventSchema, event), "cloudevents-json");
    const connection = await connect({ servers: server.url });
    const withHeaders = headers();
    for (const line of message.headers.trimEnd().split("\r\n")) {
      const [name = "", value = ""] = line.split(": ");
      withHeaders.set(name, value);
    }
    await jetstream(connection).publish(subject, message.payload, { headers: withHeaders });
    await connection.close();
    const path = join(folder, "json.sqlite");
    const abort = new AbortController();
    const database = new BillingDatabase(path);
    const booked: Booked[] = [];
    const running = consumeUsage({
      nats: { servers: server.url },
      database,
      onBooked: (batch) => booked.push(batch),
      signal: abort.signal,
    });
    await vi.waitFor(() => expect(booked).toEqual([{ booked: 1, duplicates: 0, unreadable: 0 }]), { timeout: 10_000 });
    abort.abort();
    await running;
    database.close();
    const reading = new DatabaseSync(path);
    const row = reading.prepare("SELECT event_id, project_id, input_tokens, cost_nano_usd FROM usage_event");
    row.setReadBigInts(true);
    expect(row.get()).toEqual({
      event_id: "json-1",
      project_id: "search",
      input_tokens: 12n,
      cost_nano_usd: 9_007_199_254_740_993n,
    });
    reading.close();
  });
});
