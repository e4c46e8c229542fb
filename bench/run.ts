// The bench in one command: the gateway with everything switched on (key, limits, budget, metrics, durable journal, events
// on JetStream) on one core; provider, NATS and load on the other; and the bare relay measured in the same run, turn by
// turn, so that what the machine does to one it does to both. Only ratios are claims.
//
//   npm run bench                 the whole, about three minutes
//   npm run bench -- --quick      a short form
//   npm run bench -- --gate       the short form; fails when a ratio passes its bound
//   npm run bench -- --durability os|fsync     --no-nats
//   npm run bench -- --only "unary 4x16" --node-args="--cpu-prof"    one profile, with flags for the gateway's node
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { CompleteRequestSchema, Role, StreamCompleteRequestSchema } from "../src/contract.ts";
import { setUpStream } from "../src/ledger/nats-setup.ts";
import { startNats } from "../test/nats-server.ts";
import { bounds } from "./bounds.ts";
import { benchSecret, gatewayModel, writeBenchConfig } from "./config.ts";
import { type Child, startNode } from "./load/children.ts";
import { residentBytes } from "./load/cpu-of-process.ts";
import { createGrpcTarget } from "./load/grpc-target.ts";
import { createHttpTarget } from "./load/http-target.ts";
import type { LoadTarget } from "./load/load.ts";
import { type Measured, measure, measureLatency } from "./load/measure.ts";
import { gatewayCore, startGatewayChild, startSimulatorChild } from "./load/stand.ts";
import { median, medianAndRange, quantile } from "./load/statistics.ts";
import { type Profile, profiles } from "./profiles.ts";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    gate: { type: "boolean", default: false },
    durability: { type: "string", default: "fsync" },
    "no-nats": { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string" },
    "node-args": { type: "string", default: "" },
  },
});

const isQuick = options.quick || options.gate;
const rounds = Number(options.rounds ?? (isQuick ? 3 : 5));
const nodeArgs = options["node-args"].split(" ").filter((arg) => arg !== "");
const messages = [
  { role: "user", content: "Tell me in one sentence what a gateway between services and models is for." },
];

type Row = {
  readonly profile: string;
  readonly gateway: readonly Measured[];
  readonly relay: readonly Measured[];
  readonly ratio: number;
};

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-bench-"));
const children: { stop(): Promise<unknown> | unknown }[] = [];
try {
  await main();
} finally {
  for (const child of children.reverse()) await child.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const simulator = await kept(startSimulatorChild());
  const nats = options["no-nats"] ? undefined : await startNats();
  if (nats !== undefined) {
    children.push(nats);
    await setUpStream({
      access: { servers: [nats.url] },
      stream: "USAGE",
      subjectPrefix: "llmgateway",
      maxBytes: 4 << 30,
    });
  }
  const config = writeBenchConfig({
    folder,
    simulator: `http://127.0.0.1:${simulator.port}`,
    nats: nats?.url,
    durability: options.durability,
  });
  const relay = await kept(
    startNode({ name: "relay", core: gatewayCore, args: ["bench/relay.ts", `http://127.0.0.1:${simulator.port}`] }),
  );
  const gateway = await kept(startGatewayChild({ config, nodeArgs }));

  const rows: Row[] = [];
  for (const profile of profiles(isQuick)) {
    if (options.only !== undefined && !profile.name.includes(options.only)) continue;
    rows.push(await runProfile(profile, gateway, relay));
    print(rows.at(-1));
  }
  const latency =
    options.only === undefined || options.only === "latency" ? await runLatency(gateway, simulator) : undefined;
  const memoryMb = residentBytes(gateway.pid) / 1e6;
  console.log(`memory of the gateway after the run: ${memoryMb.toFixed(0)} MB`);
  keep({
    date: new Date().toISOString(),
    node: process.version,
    rounds,
    durability: options.durability,
    nats: nats !== undefined,
    rows,
    latency,
    memoryMb,
  });
  if (options.gate) gate(rows);
}

/** Ended with the bench. */
async function kept(starting: Promise<Child>): Promise<Child> {
  const started = await starting;
  children.push(started);
  return started;
}

async function runProfile(profile: Profile, gateway: Child, relay: Child): Promise<Row> {
  const { shape, durationMs } = profile;
  const ours = await gatewayTarget(profile, gateway.port);
  const theirs = httpTarget(profile, relay.port);
  const load = { shape, durationMs, callsMax: 1_000_000 };
  const warmUpMs = isQuick ? 2_000 : 4_000; // Compiled code takes some ten thousand calls to settle.
  await measure(gateway.pid, ours, { ...load, durationMs: warmUpMs });
  await measure(relay.pid, theirs, { ...load, durationMs: warmUpMs });
  const measured = { gateway: [] as Measured[], relay: [] as Measured[] };
  for (let round = 0; round < rounds; round++) {
    measured.gateway.push(await measure(gateway.pid, ours, load));
    measured.relay.push(await measure(relay.pid, theirs, load));
  }
  await ours.close();
  await theirs.close();
  const figure = figureOf(profile);
  const ratio = median(measured.gateway.map((one) => one[figure])) / median(measured.relay.map((one) => one[figure]));
  return { profile: profile.name, ...measured, ratio };
}

function figureOf(profile: Pick<Profile, "kind">): "microsPerCall" | "microsPerChunk" {
  return profile.kind === "unary" ? "microsPerCall" : "microsPerChunk";
}

function gatewayTarget(profile: Profile, port: number): Promise<LoadTarget> {
  const request = create(CompleteRequestSchema, {
    model: gatewayModel(profile.model),
    messages: messages.map(({ content }) => ({
      role: Role.USER,
      parts: [{ content: { case: "text" as const, value: { text: content } } }],
    })),
    sampling: { maxOutputTokens: 256, temperature: 0.7 },
  });
  const message =
    profile.kind === "unary"
      ? toBinary(CompleteRequestSchema, request)
      : toBinary(
          StreamCompleteRequestSchema,
          create(StreamCompleteRequestSchema, { start: { case: "request", value: request } }),
        );
  const method = profile.kind === "unary" ? "Complete" : "StreamComplete";
  return createGrpcTarget({
    origin: `http://127.0.0.1:${port}`,
    path: `/llmgateway.v1.InferenceService/${method}`,
    message,
    secret: benchSecret,
    shape: profile.shape,
  });
}

function httpTarget(profile: Profile, port: number): LoadTarget {
  const body = JSON.stringify({
    model: profile.model,
    messages,
    max_tokens: 256,
    temperature: 0.7,
    ...(profile.kind === "stream" ? { stream: true, stream_options: { include_usage: true } } : {}),
  });
  return createHttpTarget({ origin: `http://127.0.0.1:${port}`, body, secret: benchSecret, shape: profile.shape });
}

/** 100 calls a second, through the gateway and directly, turn by turn. */
async function runLatency(gateway: Child, simulator: Child) {
  const profile: Profile = {
    name: "latency",
    kind: "unary",
    model: "sim-small",
    shape: { connections: 1, perConnection: 64 },
    durationMs: 0,
  };
  const ours = await gatewayTarget(profile, gateway.port);
  const direct = httpTarget(profile, simulator.port);
  const seconds = isQuick ? 2 : 6;
  const added = { p50: [] as number[], p99: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const through = await measureLatency(ours, 100, seconds);
    const bare = await measureLatency(direct, 100, seconds);
    added.p50.push(quantile(through, 0.5) - quantile(bare, 0.5));
    added.p99.push(quantile(through, 0.99) - quantile(bare, 0.99));
  }
  await ours.close();
  await direct.close();
  console.log(
    `added latency at 100 calls/s, ms: p50 ${medianAndRange(added.p50, 2)}, p99 ${medianAndRange(added.p99, 2)}`,
  );
  return { addedP50Ms: median(added.p50), addedP99Ms: median(added.p99) };
}

function print(row: Row | undefined): void {
  if (row === undefined) return;
  const figure = row.profile.startsWith("unary") ? "microsPerCall" : "microsPerChunk";
  const unit = figure === "microsPerCall" ? "µs/call" : "µs/chunk";
  const ours = medianAndRange(row.gateway.map((one) => one[figure]));
  const theirs = medianAndRange(row.relay.map((one) => one[figure]));
  const rate = median(row.gateway.map((one) => one.callsPerSecond)).toFixed(0);
  const failures = [...row.gateway, ...row.relay].reduce((sum, one) => sum + one.failures, 0);
  console.log(
    `${row.profile.padEnd(28)} gateway ${ours} ${unit}, ${rate} calls/s; relay ${theirs}; ratio ${row.ratio.toFixed(2)}` +
      (failures > 0 ? `; ${failures} FAILED CALLS` : ""),
  );
}

function keep(result: { readonly date: string } & Record<string, unknown>): void {
  mkdirSync("bench/results", { recursive: true });
  const file = `bench/results/${result.date.replaceAll(/[:.]/g, "-")}.json`;
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(`kept in ${file}`);
}

function gate(rows: readonly Row[]): void {
  for (const row of rows) {
    const bound = bounds[row.profile];
    const failed = [...row.gateway, ...row.relay].some((one) => one.failures > 0);
    if (!failed && (bound === undefined || row.ratio <= bound)) continue;
    console.error(
      `${row.profile}: ${failed ? "calls failed" : `ratio ${row.ratio.toFixed(2)} is over its bound ${bound}`}`,
    );
    process.exitCode = 1;
  }
}
