import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nkeys } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type NatsServer, startNats } from "../../../test/nats-server.ts";
import { Operation, Outcome, type UsageEvent, UsageEventSchema } from "../../contract.ts";
import { type LedgerOptions, openLedger, type UsageLedger } from "../ledger.ts";
import { setUpStream } from "../nats-setup.ts";
import { ledgerOptions } from "../testing/ledger-options.ts";
import { Publisher, type PublisherOptions } from "./publisher.ts";

const finalOf = (eventId: string, changes: Partial<{ projectId: string; traceId: string }> = {}): UsageEvent =>
  create(UsageEventSchema, {
    eventId,
    eventTime: { seconds: 1_764_000_000n },
    principal: { orgId: "acme", teamId: "platform", projectId: changes.projectId ?? "search" },
    operation: Operation.CHAT,
    outcome: Outcome.SUCCEEDED,
    traceId: changes.traceId ?? "",
    spanId: changes.traceId === undefined ? "" : "b7ad6b7169203331",
    usage: { inputTokens: 90, outputTokens: 10 },
  });

const quiet = { warn: () => undefined, info: () => undefined };

describe("the publisher", () => {
  let folder: string;
  let server: NatsServer | undefined;
  const closers: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "publisher-"));
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await server?.stop();
    server = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  async function ledgerIn(changes: Partial<LedgerOptions> = {}): Promise<UsageLedger> {
    const ledger = await openLedger(
      ledgerOptions({ folder: join(folder, "journal"), instance: "gateway 1", ...changes }),
    );
    closers.push(() => ledger.close());
    return ledger;
  }

  function publish(ledger: UsageLedger, url: string, changes: Partial<PublisherOptions> = {}): Publisher {
    const publisher = new Publisher(ledger.outbox, {
      access: { servers: [url] },
      stream: "USAGE",
      format: "protobuf",
      instance: "gateway 1",
      log: quiet,
      ...changes,
    });
    closers.push(() => publisher.close(0));
    return publisher;
  }

  const emptied = (ledger: UsageLedger): Promise<void> =>
    vi.waitFor(() => expect(ledger.figures.outboxDepth).toBe(0), { timeout: 20_000, interval: 10 });

  async function stored(url: string): Promise<{ ids: string[]; subjects: string[] }> {
    const connection = await connect({ servers: url });
    const consumer = await jetstream(connection).consumers.get("USAGE");
    const { num_pending: pending } = await consumer.info();
    const ids: string[] = [];
    const subjects: string[] = [];
    if (pending > 0) {
      for await (const message of await consumer.fetch({ max_messages: pending, expires: 5_000 })) {
        ids.push(fromBinary(UsageEventSchema, message.data).eventId);
        subjects.push(message.subject);
        if (ids.length === pending) break;
      }
    }
    await connection.close();
    return { ids, subjects };
  }

  it("publishes each event once, under the subject and with the headers that the contract names", async () => {
    server = await startNats();
    await setUpStream({ access: { servers: [server.url] } });
    const ledger = await ledgerIn();
    publish(ledger, server.url);
    await ledger.finish(finalOf("event-1", { projectId: "a.b c", traceId: "0af7651916cd43dd8448eb211c80319c" }));
    await emptied(ledger);

    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    const message = await manager.streams.getMessage("USAGE", { seq: 1 });
    expect(message?.subject).toBe("llmgateway.usage.v1.a_b_c.chat.succeeded");
    const headers = Object.fromEntries([...(message?.header ?? [])].map(([name, values]) => [name, values[0]]));
    expect(headers).toEqual({
      "Nats-Msg-Id": "event-1",
      "Content-Type": "application/x-protobuf",
      "Proto-Message": "llmgateway.usage.v1.UsageEvent",
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "ce-specversion": "1.0",
      "ce-id": "event-1",
      "ce-source": "/llmgateway/gateway%201",
      "ce-type": "llmgateway.usage.v1.UsageEvent",
      "ce-subject": "acme/platform/a.b%20c",
      "ce-time": "2025-11-24T16:00:00.000Z",
      "ce-datacontenttype": "application/x-protobuf",
    });
    expect(fromBinary(UsageEventSchema, message?.data ?? new Uint8Array())).toMatchObject({
      eventId: "event-1",
      instanceSequence: 1n,
      usage: { inputTokens: 90 },
    });
    await connection.close();
  });

  it("publishes structured CloudEvents when asked to", async () => {
    server = await startNats();
    await setUpStream({ access: { servers: [server.url] } });
    const ledger = await ledgerIn();
    publish(ledger, server.url, { format: "cloudevents-json" });
    await ledger.finish(finalOf("event-1"));
    await emptied(ledger);
    const connection = await connect({ servers: server.url });
    const message = await (await jetstreamManager(connection)).streams.getMessage("USAGE", { seq: 1 });
    expect(message?.header.get("Content-Type")).toBe("application/cloudevents+json");
    expect(message?.json()).toMatchObject({
      specversion: "1.0",
      id: "event-1",
      type: "llmgateway.usage.v1.UsageEvent",
      datacontenttype: "application/json",
      data: { eventId: "event-1", usage: { inputTokens: 90 }, outcome: "OUTCOME_SUCCEEDED" },
    });
    await connection.close();
  });

  it("drains a backlog in batches, and item by item when some of it was there already", async () => {
    server = await startNats();
    await setUpStream({ access: { servers: [server.url] } });
    const ids = Array.from({ length: 3_000 }, (_, index) => `event-${String(index).padStart(5, "0")}`);
    // Some events reached the stream in a life that died before it knew.
    const connection = await connect({ servers: server.url });
    for (const id of ids.slice(100, 110)) {
      const payload = Buffer.from(toBinary(UsageEventSchema, finalOf(id)));
      await jetstream(connection).publish("llmgateway.usage.v1.search.chat.succeeded", payload, { msgID: id });
    }
    await connection.close();
    const ledger = await ledgerIn();
    await Promise.all(ids.map((id) => ledger.finish(finalOf(id))));
    const publisher = publish(ledger, server.url);
    await emptied(ledger);
    const stream = await stored(server.url);
    expect([...stream.ids].sort()).toEqual(ids);
    expect(publisher.figures).toMatchObject({ published: 3_000, duplicates: 10 });
  });

  it("keeps events while NATS is away, and publishes them when it comes, without a gap or a double", async () => {
    server = await startNats();
    await setUpStream({ access: { servers: [server.url] } });
    const ledger = await ledgerIn();
    const publisher = publish(ledger, server.url);
    await vi.waitFor(() => expect(publisher.state.kind).toBe("publishing"));
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const next = Array.from({ length: 200 }, (_, index) => `event-${round}-${String(index).padStart(3, "0")}`);
      ids.push(...next);
      const writes = next.map((id) => ledger.finish(finalOf(id)));
      if (round === 1) await server.kill();
      await Promise.all(writes);
    }
    expect(ledger.figures.outboxDepth).toBeGreaterThan(0);
    await server.restart();
    await emptied(ledger);
    expect([...(await stored(server.url)).ids].sort()).toEqual(ids);
  });

  it("starts while NATS is away, and waits for it", async () => {
    server = await startNats();
    const { url } = server;
    await setUpStream({ access: { servers: [url] } });
    await server.kill();
    const ledger = await ledgerIn();
    const publisher = publish(ledger, url);
    await ledger.finish(finalOf("event-1"));
    expect(publisher.state.kind).toBe("connecting");
    await server.restart();
    await emptied(ledger);
    expect((await stored(url)).ids).toEqual(["event-1"]);
  });

  it("says what is wrong with the stream, serves on, and publishes when it was put right", async () => {
    server = await startNats();
    const ledger = await ledgerIn();
    const publisher = publish(ledger, server.url);
    await ledger.finish(finalOf("event-1"));
    await vi.waitFor(() =>
      expect(publisher.state).toEqual({
        kind: "refused",
        because: 'stream USAGE does not exist: make it with "llm-gateway nats setup"',
      }),
    );
    await setUpStream({ access: { servers: [server.url] } });
    await emptied(ledger);
    expect(publisher.state.kind).toBe("publishing");
  });

  it("refuses a stream that would drop events", async () => {
    server = await startNats();
    const connection = await connect({ servers: server.url });
    await (await jetstreamManager(connection)).streams.add({
      name: "USAGE",
      subjects: ["llmgateway.usage.v1.>"],
      max_msgs: 1_000,
    });
    await connection.close();
    const publisher = publish(await ledgerIn(), server.url);
    await vi.waitFor(() =>
      expect(publisher.state).toMatchObject({ because: expect.stringContaining("drops old events") }),
    );
  });

  it("needs no right but to publish events and to look at the stream, and has no other", async () => {
    const admin = nkeys.createUser();
    const gateway = nkeys.createUser();
    server = await startNats({
      config: `authorization { users: [
        { nkey: ${admin.getPublicKey()} }
        { nkey: ${gateway.getPublicKey()}, permissions: {
            publish: ["llmgateway.usage.v1.>", "$JS.API.STREAM.INFO.USAGE"], subscribe: ["_INBOX_gateway.>"] } }
      ] }`,
    });
    const seedOf = (pair: typeof admin): string => new TextDecoder().decode(pair.getSeed());
    const adminAccess = { servers: [server.url], nkeySeed: seedOf(admin) };
    const access = { servers: [server.url], nkeySeed: seedOf(gateway), inboxPrefix: "_INBOX_gateway" };
    await setUpStream({ access: adminAccess });
    await expect(setUpStream({ access })).rejects.toThrow();
    const ledger = await ledgerIn();
    publish(ledger, server.url, { access });
    await Promise.all(Array.from({ length: 40 }, (_, index) => ledger.finish(finalOf(`event-${index}`))));
    await emptied(ledger);
  });

  it("is closed within its time when NATS never came", async () => {
    const ledger = await ledgerIn();
    const publisher = publish(ledger, "nats://127.0.0.1:1");
    await ledger.finish(finalOf("event-1"));
    await publisher.close(50);
    expect(ledger.figures.outboxDepth).toBe(1);
  });
});

describe("the stream", () => {
  it("is made once, then brought up to date, and refuses when it is full", async () => {
    const server = await startNats();
    const access = { servers: [server.url] };
    expect(await setUpStream({ access })).toMatchObject({ stream: { done: "created" }, consumer: { done: "created" } });
    const report = await setUpStream({ access, maxAgeMs: 3_600_000 });
    expect(report).toMatchObject({ stream: { name: "USAGE", done: "updated" }, consumer: { name: "billing" } });
    const connection = await connect({ servers: server.url });
    const { config } = await (await jetstreamManager(connection)).streams.info("USAGE");
    expect(config).toMatchObject({
      discard: "new",
      retention: "limits",
      deny_delete: true,
      allow_atomic: true,
      max_age: 3_600_000 * 1_000_000,
      duplicate_window: 1_800_000 * 1_000_000,
    });
    await connection.close();
    await server.stop();
  });
});
