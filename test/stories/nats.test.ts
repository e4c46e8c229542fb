// NATS comes and goes, is too old, or has a stream that would lose events: callers never notice, operators do, and every
// event is in the stream in the end, once.
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually, Stage } from "./stage.ts";

let nats: NatsServer | undefined;
let old: Server | undefined;
let stage: Stage | undefined;
let connection: NatsConnection | undefined;

afterEach(async () => {
  await stage?.close();
  await connection?.close();
  await nats?.stop();
  old?.close();
  stage = nats = old = connection = undefined;
});

const openStage = (url: string): Promise<Stage> =>
  Stage.open({
    models: { small: ["sim/sim-small"] },
    yaml: `usage: { journal: { durability: os }, nats: { servers: ["${url}"], stream: USAGE, subject_prefix: llmgateway } }\n`,
  });

/** Over a connection of its own each time: what one asks that has just lost its server may never be answered. */
async function manager(url: string): Promise<JetStreamManager> {
  await connection?.close();
  connection = await connect({ servers: url });
  return jetstreamManager(connection);
}

const inStream = async (url: string) => (await (await manager(url)).streams.info("USAGE")).state.messages;
const isAbove = async (name: string, value: number) => ((await stage?.metric(name)) ?? 0) >= value;
const whenPublished = () =>
  eventually(async () => ((await stage?.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
const whenWarned = (words: string) => eventually(() => stage?.gateway.lines.find((line) => line.includes(words)));

describe("NATS that goes away", () => {
  it("does not stop calls, and gets every event once when it is back", async () => {
    nats = await startNats();
    await setUpStream({ access: { servers: [nats.url] } });
    stage = await openStage(nats.url);
    for (let call = 0; call < 10; call += 1) await stage.complete(ask("small", `up ${call}`));
    await whenPublished();
    expect(await inStream(nats.url)).toBe(10);

    await nats.kill();
    for (let call = 0; call < 20; call += 1) await stage.complete(ask("small", `down ${call}`));
    expect(await stage.metric("llmgateway_outbox_depth")).toBe(20);
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(0);
    expect((await stage.events()).length).toBe(30);

    await nats.restart();
    await whenPublished();
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(1);
    expect(await inStream(nats.url)).toBe(30);
  });

  it("in the middle of publishing leaves no double behind, since an event keeps its id", async () => {
    nats = await startNats();
    await setUpStream({ access: { servers: [nats.url] } });
    stage = await openStage(nats.url);
    let calls = 0;
    let isOver = false;
    const callers = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        await stage?.complete(ask("small"));
        calls += 1;
      }
    });
    for (let kill = 0; kill < 3; kill += 1) {
      const before = calls;
      await eventually(() => (calls > before + 100 ? true : undefined));
      await nats.kill();
      await nats.restart();
    }
    isOver = true;
    await Promise.all(callers);
    await whenPublished();
    expect(await inStream(nats.url)).toBe(calls);
    expect(await isAbove("llmgateway_events_published_total", calls)).toBe(true);
  });

  it("before the gateway starts does not keep it from starting", async () => {
    nats = await startNats();
    await setUpStream({ access: { servers: [nats.url] } });
    await nats.kill();
    stage = await openStage(nats.url);
    await stage.complete(ask("small"));
    expect(await stage.metric("llmgateway_outbox_depth")).toBe(1);
    await nats.restart();
    await whenPublished();
    expect(await inStream(nats.url)).toBe(1);
  });
});

describe("NATS that is not fit to hold usage events", () => {
  it("because its stream is missing, is told how to make it, and gets the events once it is made", async () => {
    nats = await startNats();
    stage = await openStage(nats.url);
    await stage.complete(ask("small"));
    expect(await whenWarned("does not exist")).toContain("llm-gateway nats setup");
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(0);
    await setUpStream({ access: { servers: [nats.url] } });
    await whenPublished();
    expect(await inStream(nats.url)).toBe(1);
  });

  it("because its stream drops old events when it is full, gets none, and says which setting is wrong", async () => {
    nats = await startNats();
    const streams = (await manager(nats.url)).streams;
    await streams.add({ name: "USAGE", subjects: ["llmgateway.usage.v1.>"], max_msgs: 1_000 });
    stage = await openStage(nats.url);
    await stage.complete(ask("small"));
    expect(await whenWarned("drops old events")).toContain('set discard to \\"new\\"');
    expect(await inStream(nats.url)).toBe(0);
    expect(await stage.metric("llmgateway_outbox_depth")).toBe(1);
  });

  it("because it is too old, is not used, and says which version is needed", async () => {
    old = createServer((socket) => {
      socket.on("error", () => undefined);
      const info = {
        server_id: "OLD",
        version: "2.10.29",
        proto: 1,
        host: "127.0.0.1",
        headers: true,
        jetstream: true,
      };
      socket.write(`INFO ${JSON.stringify({ ...info, max_payload: 1_048_576 })}\r\n`);
      socket.on("data", (bytes) => {
        for (const _ of String(bytes).matchAll(/^PING\r$/gm)) socket.write("PONG\r\n");
      });
    }).listen(0, "127.0.0.1");
    await once(old, "listening");
    const address = old.address();
    stage = await openStage(`nats://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
    await stage.complete(ask("small"));
    expect(await whenWarned("too old")).toContain("2.10.29 is too old: 2.12 or later is needed");
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(0);
    await stage.complete(ask("small"));
    expect(await stage.metric("llmgateway_outbox_depth")).toBe(2);
  });
});
