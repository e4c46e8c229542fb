// How long a start takes: from spawn to the line "listening", and to the first health check that is answered well; with an
// empty data folder, with one in which many events lie, and with that one when its journal has no checkpoint. Of the program
// as `npm run build` makes it, and turn by turn with it of the source.
//
//   node bench/start.ts [events, default 1000000] [rounds, default 10]
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { buildProgram } from "../scripts/build-program.ts";
import { CostSchema, Operation, Outcome, PrincipalSchema, UsageEventSchema, UsageSchema } from "../src/contract.ts";
import { openLedger } from "../src/ledger/ledger.ts";
import { UsageReader } from "../src/ledger/usage-index/usage-reader.ts";
import { writeBenchConfig } from "./config.ts";
import { cpuMicros } from "./load/cpu-of-process.ts";
import { gatewayEnv } from "./load/stand.ts";
import { medianAndRange } from "./load/statistics.ts";

const events = Number(process.argv[2] ?? 1_000_000);
const rounds = Number(process.argv[3] ?? 10);
const folder = mkdtempSync(join(tmpdir(), "llm-gateway-start-"));
const healthFrame = Buffer.alloc(5);
const programs = { built: join(folder, "built/llm-gateway.js"), source: "src/main.ts" };

try {
  await buildProgram(join(folder, "built"));
  await measure("empty data folder", prepare("empty"));
  const large = prepare("large");
  await fill(join(large.folder, "data"));
  await measure(`${events} events`, large);
  const checkpoint = join(large.folder, "data/journal/checkpoint");
  await measure(`${events} events, all read`, large, () => rmSync(checkpoint, { force: true }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

type Prepared = { readonly folder: string; readonly config: string };

function prepare(name: string): Prepared {
  const own = join(folder, name);
  mkdirSync(own);
  const settings = { folder: own, simulator: "http://127.0.0.1:9", nats: undefined, durability: "os" };
  return { folder: own, config: writeBenchConfig(settings) };
}

async function measure(name: string, { config }: Prepared, before: () => void = () => undefined): Promise<void> {
  const starts = Object.entries(programs).map(([program, path]) => ({ program, path, figures: [] as Start[] }));
  for (const { path } of starts) await startOnce(path, config); // Fills the cache of compiled code.
  for (let round = 0; round < rounds; round += 1) {
    for (const { path, figures } of starts) {
      before();
      figures.push(await startOnce(path, config));
    }
  }
  for (const { program, figures } of starts) {
    const of = (figure: keyof Start) =>
      medianAndRange(
        figures.map((start) => start[figure]),
        0,
      );
    console.log(
      `${name}, ${program}: ${of("listeningMs")} ms until it listens, ${of("healthyMs")} ms to the first health check, ${of("cpuMs")} ms of CPU; ${rounds} starts`,
    );
  }
}

/** Since the spawn. `cpuMs`: of all threads until the health check; what a start takes, however busy the machine is. */
type Start = { readonly listeningMs: number; readonly healthyMs: number; readonly cpuMs: number };

async function startOnce(program: string, config: string): Promise<Start> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [program, "serve", "--config", config], {
    stdio: ["ignore", "pipe", "inherit"],
    env: gatewayEnv,
  });
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const said: { readonly msg?: string; readonly port?: number } = JSON.parse(line);
      if (said.msg === "listening" && said.port !== undefined) resolve(said.port);
    });
    child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}`)));
  });
  const listeningMs = performance.now() - startedMs;
  await checkHealth(port);
  const healthyMs = performance.now() - startedMs;
  const cpuMs = cpuMicros(child.pid ?? 0) / 1_000;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await gone;
  return { listeningMs, healthyMs, cpuMs };
}

function checkHealth(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on("error", reject);
    const headers = { ":method": "POST", ":path": "/grpc.health.v1.Health/Check", te: "trailers" };
    const stream = session.request({ ...headers, "content-type": "application/grpc" });
    let last = -1;
    stream.on("data", (piece: Buffer) => {
      last = piece.at(-1) ?? -1;
    });
    stream.on("close", () => {
      session.close();
      if (last === 1)
        resolve(); // SERVING
      else reject(new Error("the gateway is not healthy"));
    });
    stream.end(healthFrame);
  });
}

/** Many ended calls of the last hour, in the journal and in the index. */
async function fill(dataDir: string): Promise<void> {
  const log = { warn: () => undefined, info: () => undefined };
  const ledger = await openLedger({
    folder: join(dataDir, "journal"),
    instance: "bench",
    durability: "os",
    retainMs: 3_600_000,
    maxBytes: 16 * 1024 ** 3,
    delivery: "keep",
    reprice: () => undefined,
    onPoisoned: (error) => {
      throw error;
    },
    log,
    now: Date.now,
  });
  const nowMs = Date.now();
  const group = 2_000;
  for (let done = 0; done < events; done += group) {
    const writes = Array.from({ length: Math.min(group, events - done) }, (_, index) => {
      const id = `01a20000-0000-7000-8000-${String(done + index).padStart(12, "0")}`;
      const event = create(UsageEventSchema, {
        eventId: id,
        responseId: id,
        operation: Operation.CHAT,
        outcome: Outcome.SUCCEEDED,
        requestedModel: "sim-small",
        model: "sim-small",
        provider: "openai",
        principal: create(PrincipalSchema, { teamId: "platform", projectId: "search", keyId: "bench" }),
        startTime: timestampFromMs(nowMs - (index % 3_000)),
        usage: create(UsageSchema, { inputTokens: 20, outputTokens: 40 }),
        cost: create(CostSchema, { totalNanoUsd: 20_000n }),
      });
      return ledger.finish(event);
    });
    await Promise.all(writes);
  }
  const reader = new UsageReader(ledger, { path: join(dataDir, "usage-index.sqlite") });
  await reader.ask({ kind: "catch-up" });
  await reader.close();
  await ledger.close();
}
