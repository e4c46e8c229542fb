// Hours in short: a steady mix of unary calls, streams, cancelled streams and wrong calls, and what the gateway holds of it every
// minute. After a warm-up the slope of each figure is told by least squares: what leaks rises.
//
//   node bench/soak.ts --minutes 20 [--warm-up 5] [--workers 2]
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { CompleteRequestSchema, Role, StreamCompleteRequestSchema } from "../src/contract.ts";
import { benchSecret, gatewayModel, writeBenchConfig } from "./config.ts";
import type { Child } from "./load/children.ts";
import { residentBytesOfTree, treeOf } from "./load/process-tree.ts";
import { slopeOf } from "./load/slope.ts";
import { startGatewayChild, startSimulatorChild } from "./load/stand.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "20" },
    "warm-up": { type: "string", default: "5" },
    workers: { type: "string", default: "1" },
  },
});
const minutes = Number(values.minutes);
const warmUpMinutes = Math.min(Number(values["warm-up"]), minutes / 2);
/** Calls a second, by kind. */
const rates = { unary: 60, stream: 10, cancel: 10, wrong: 10 } as const;
type Kind = keyof typeof rates;
const waitingMax = 2_000;
let turn = 0;

const frames: Readonly<Record<Kind, Buffer>> = {
  unary: frameOf("unary", "sim-small"),
  stream: frameOf("stream", "sim-tokens-64+pace-20ms"),
  cancel: frameOf("stream", "sim-tokens-64+pace-20ms"),
  wrong: frameOf("unary", "no-such-model"),
};

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-soak-"));
const children: Child[] = [];
const sessions: ClientHttp2Session[] = [];
try {
  const simulator = await startSimulatorChild();
  children.push(simulator);
  const config = writeBenchConfig({
    folder,
    simulator: `http://127.0.0.1:${simulator.port}`,
    nats: undefined,
    durability: "fsync",
  });
  const gateway = await startGatewayChild({ config, args: ["--workers", values.workers] });
  children.push(gateway);
  for (let index = 0; index < 8; index += 1) sessions.push(connect(`http://127.0.0.1:${gateway.port}`));
  await soak(gateway);
} finally {
  for (const session of sessions) session.destroy();
  for (const child of children.reverse()) await child.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function soak(gateway: Child): Promise<void> {
  const done = { calls: 0, wrong: 0, open: 0 };
  const timers = (Object.keys(rates) as Kind[]).map((kind) =>
    setInterval(() => {
      if (done.open >= waitingMax) return;
      done.open += 1;
      void call(kind).then((asExpected) => {
        done.open -= 1;
        done.calls += 1;
        if (!asExpected) done.wrong += 1;
      });
    }, 1_000 / rates[kind]),
  );
  const rows: Row[] = [];
  console.log("minute     calls  unexpected   RSS MB  heap MB  in flight  open files   attempts");
  for (let minute = 1; minute <= minutes; minute += 1) {
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    const row = await look(gateway, minute);
    rows.push(row);
    const cells = [
      row.rssMb.toFixed(1),
      row.heapMb.toFixed(1),
      String(row.inFlight),
      String(row.files),
      String(row.attempts),
    ];
    console.log(
      `${String(minute).padStart(6)} ${String(done.calls).padStart(9)} ${String(done.wrong).padStart(11)}   ${cells.map((cell) => cell.padStart(8)).join(" ")}`,
    );
  }
  for (const timer of timers) clearInterval(timer);
  const steady = rows.filter(({ minute }) => minute > warmUpMinutes);
  const slope = (of: (row: Row) => number): string => slopeOf(steady.map((row) => [row.minute, of(row)])).toFixed(3);
  console.log(
    `slope a minute after ${warmUpMinutes} minutes: RSS ${slope((row) => row.rssMb)} MB, heap ${slope((row) => row.heapMb)} MB, ` +
      `in flight ${slope((row) => row.inFlight)}, open files ${slope((row) => row.files)}, attempts ${slope((row) => row.attempts)}`,
  );
}

type Row = {
  readonly minute: number;
  readonly rssMb: number;
  readonly heapMb: number;
  readonly inFlight: number;
  readonly files: number;
  readonly attempts: number;
};

async function look({ pid, port }: Child, minute: number): Promise<Row> {
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { connection: "close" } })).text();
  const sum = (name: string): number =>
    [...page.matchAll(new RegExp(`^${name}(?:{[^}]*})? (.*)$`, "gm"))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  const files = treeOf(pid).flatMap((one) => readdirSync(`/proc/${one}/fd`));
  return {
    minute,
    rssMb: residentBytesOfTree(pid) / 1e6,
    heapMb: sum("nodejs_heap_size_used_bytes") / 1e6,
    inFlight: sum("llmgateway_calls_in_flight"),
    files: files.length,
    attempts: sum("llmgateway_target_in_flight"),
  };
}

/** True when it ended as calls of its kind should. */
function call(kind: Kind): Promise<boolean> {
  turn += 1;
  const session = sessions[turn % sessions.length];
  if (session === undefined) throw new Error("no connection");
  const isStream = kind === "stream" || kind === "cancel";
  return new Promise((resolve) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/llmgateway.v1.InferenceService/${isStream ? "StreamComplete" : "Complete"}`,
      "content-type": "application/grpc+proto",
      te: "trailers",
      authorization: `Bearer ${kind === "wrong" && turn % 2 === 0 ? "nobody" : benchSecret}`,
    });
    let status = "";
    const hear = (headers: { readonly "grpc-status"?: unknown }) => {
      status = String(headers["grpc-status"] ?? status);
    };
    stream.on("response", hear);
    stream.on("trailers", hear);
    stream.on("data", () => {
      if (kind === "cancel") stream.close(8); // CANCEL
    });
    stream.on("error", () => undefined);
    stream.on("close", () => resolve(kind === "cancel" || (status === "0") === (kind !== "wrong")));
    stream.end(frames[kind]);
  });
}

function frameOf(kind: "unary" | "stream", model: string): Buffer {
  const parts = [{ content: { case: "text" as const, value: { text: "What is a gateway between services for?" } } }];
  const request = create(CompleteRequestSchema, {
    model: gatewayModel(model),
    messages: [{ role: Role.USER, parts }],
    sampling: { maxOutputTokens: 256 },
  });
  const message =
    kind === "unary"
      ? toBinary(CompleteRequestSchema, request)
      : toBinary(
          StreamCompleteRequestSchema,
          create(StreamCompleteRequestSchema, { start: { case: "request", value: request } }),
        );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
