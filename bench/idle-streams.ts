// What an idle stream costs: opens thousands at once, each of which has had its first delta and waits for the next, over some
// dozens of connections, and prints the gateway's memory for each. Each has a socket to the provider.
//
//   node bench/idle-streams.ts [streams, at most 15000] [connections]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { Role, StreamCompleteRequestSchema } from "../src/contract.ts";
import { benchSecret } from "./config.ts";
import { idleConfig } from "./idle-config.ts";
import type { Child } from "./load/children.ts";
import { type Memory, memoryOf } from "./load/memory-of.ts";
import { startGatewayChild, startSimulatorChild } from "./load/stand.ts";

const streamsMax = 15_000;
const count = Math.min(streamsMax, Number(process.argv[2] ?? 10_000));
const connections = Number(process.argv[3] ?? 40);
/** Opened at once: the provider accepts one connection after the other. */
const atOnce = 200;
const warmUpCount = 400;

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-idle-"));
const memoryFile = process.env["BENCH_MEMORY_FILE"] ?? join(folder, "memory.json");
const children: Child[] = [];
const sessions: ClientHttp2Session[] = [];
try {
  const simulator = await startSimulatorChild();
  children.push(simulator);
  const config = join(folder, "gateway.yaml");
  writeFileSync(config, idleConfig(`http://127.0.0.1:${simulator.port}`, streamsMax + warmUpCount));
  const gateway = await startGatewayChild({
    config,
    nodeArgs: ["--expose-gc", "--import", "./bench/load/memory-on-signal.ts"],
    env: { BENCH_MEMORY_FILE: memoryFile },
  });
  children.push(gateway);
  for (let index = 0; index < connections; index++) sessions.push(await open(gateway.port));
  // Compiled code and pools of the first calls are no cost of a stream.
  const warm = await openMany(warmUpCount);
  for (const close of warm) close();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const before = await memoryOf(gateway.pid, memoryFile);
  const startedMs = performance.now();
  await openMany(count);
  const seconds = (performance.now() - startedMs) / 1_000;
  const after = await memoryOf(gateway.pid, memoryFile);
  const each = (of: keyof Memory) => ((after[of] - before[of]) / count / 1_000).toFixed(1);
  console.log(
    `${count} idle streams over ${connections} connections, opened in ${seconds.toFixed(1)} s: ${each("rss")} kB resident each ` +
      `(heap ${each("heapUsed")}, outside of it ${each("external")}, of these buffers ${each("arrayBuffers")}); ` +
      `${(before.rss / 1e6).toFixed(0)} MB before, ${(after.rss / 1e6).toFixed(0)} MB after`,
  );
} finally {
  for (const session of sessions) session.destroy();
  for (const child of children.reverse()) await child.stop();
  rmSync(folder, { recursive: true, force: true });
}

function open(port: number): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.once("connect", () => resolve(session));
    session.on("error", reject);
  });
}

async function openMany(streams: number): Promise<readonly (() => void)[]> {
  const opened: (() => void)[] = [];
  for (let from = 0; from < streams; from += atOnce) {
    const group = Array.from({ length: Math.min(atOnce, streams - from) }, (_, index) => openStream(from + index));
    opened.push(...(await Promise.all(group)));
  }
  return opened;
}

/** Resolves when the first delta has come. */
function openStream(index: number): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const stream = sessions[index % sessions.length]?.request({
      ":method": "POST",
      ":path": "/llmgateway.v1.InferenceService/StreamComplete",
      "content-type": "application/grpc+proto",
      te: "trailers",
      authorization: `Bearer ${benchSecret}`,
    });
    if (stream === undefined) throw new Error("no connection");
    stream.once("data", () => resolve(() => stream.close()));
    stream.on("trailers", (trailers) => reject(new Error(`the stream ended: ${JSON.stringify(trailers)}`)));
    stream.on("response", (headers) => {
      if (headers["grpc-status"] !== undefined) reject(new Error(`the stream was refused: ${JSON.stringify(headers)}`));
    });
    stream.on("error", reject);
    stream.end(frame());
  });
}

function frame(): Buffer {
  const parts = [
    { content: { case: "text" as const, value: { text: "Tell me in one sentence what a gateway is for." } } },
  ];
  const request = { model: "idle", messages: [{ role: Role.USER, parts }], sampling: { maxOutputTokens: 256 } };
  const message = toBinary(
    StreamCompleteRequestSchema,
    create(StreamCompleteRequestSchema, { start: { case: "request", value: request } }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
