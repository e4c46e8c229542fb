// Kills writers and NATS at random instants, round after round, and then counts: no acknowledged end of a call may be
// missing, none may be booked twice, no number of an instance's log may be skipped, and every sum must agree.
import { appendFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { BillingDatabase } from "../../examples/billing-consumer/billing-database.ts";
import { consumeUsage } from "../../examples/billing-consumer/consume-usage.ts";
import { Outcome, QueryUsageRequestSchema, UsageDimension } from "../../src/contract.ts";
import { openLedger } from "../../src/ledger/ledger.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { Publisher } from "../../src/ledger/publisher/publisher.ts";
import { UsageReader } from "../../src/ledger/usage-index/usage-reader.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { startChild } from "./child.ts";

export type SuiteOptions = {
  readonly rounds: number;
  /** Of NATS; a short one lets doubles into the stream, which the consumer must drop. */
  readonly duplicateWindowMs: number;
  readonly random: () => number;
  readonly say: (line: string) => void;
};

export type SuiteReport = {
  readonly rounds: number;
  readonly writerKills: number;
  readonly natsKills: number;
  readonly livesWithoutNats: number;
  readonly diskFaults: number;
  readonly tornTails: number;
  /** Calls whose START was acknowledged; whose FINAL was. */
  readonly started: number;
  readonly finished: number;
  readonly lost: number;
  readonly inStream: number;
  readonly doublesInStream: number;
  readonly booked: number;
  /** What was found wrong; empty when all is well. */
  readonly problems: readonly string[];
};

type Tally = {
  writerKills: number;
  natsKills: number;
  livesWithoutNats: number;
  diskFaults: number;
  tornTails: number;
};

/** What writers said: by event id, the output tokens of an acknowledged FINAL, or `undefined` for a START alone. */
type Promises = Map<string, number | undefined>;

const faults = ["none", "none", "ENOSPC", "none", "EIO"] as const;
const clockShiftsMs = [0, -3_600_000, 0, 86_400_000, -60_000, 0, 0] as const;
const settleMs = 60_000;

export async function runCrashSuite(options: SuiteOptions): Promise<SuiteReport> {
  const folder = await mkdtemp(join(tmpdir(), "faults-"));
  const server = await startNats();
  const abort = new AbortController();
  const databasePath = join(folder, "billing.sqlite");
  const database = new BillingDatabase(databasePath);
  try {
    const access = { servers: [server.url] };
    // Acknowledgements that die with NATS are missed soon, so that a round need not wait long for them.
    await setUpStream({ access, duplicateWindowMs: options.duplicateWindowMs, ackWaitMs: 2_000 });
    const consuming = consumeUsage({
      nats: { servers: server.url, reconnectTimeWait: 100 },
      database,
      signal: abort.signal,
    });
    const tally: Tally = { writerKills: 0, natsKills: 0, livesWithoutNats: 0, diskFaults: 0, tornTails: 0 };
    const promises: Promises = new Map();
    for (let round = 0; round < options.rounds; round += 1) {
      await oneLife(round, join(folder, "journal"), server, options, tally, promises);
    }
    const sums = await lastLife(folder, server.url);
    const report = await count(server.url, databasePath, promises, sums);
    abort.abort();
    await consuming;
    return { rounds: options.rounds, ...tally, ...report };
  } finally {
    abort.abort();
    database.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function oneLife(
  round: number,
  folder: string,
  server: NatsServer,
  { random, say }: SuiteOptions,
  tally: Tally,
  promises: Promises,
): Promise<void> {
  const fault = faults[round % faults.length] ?? "none";
  const withoutNats = round % 4 === 2;
  const killNats = !withoutNats && round % 3 === 1;
  if (withoutNats) await server.kill();
  const writer = startChild([
    join(import.meta.dirname, "ledger-writer.ts"),
    folder,
    server.url,
    `life-${String(round).padStart(3, "0")}`,
    fault,
    String(clockShiftsMs[round % clockShiftsMs.length]),
  ]);
  await writer.line("ready");
  await wait(50 + random() * 400);
  if (killNats) {
    await server.kill();
    await wait(random() * 200);
    await server.restart();
    await wait(random() * 200);
    tally.natsKills += 1;
  }
  await writer.kill();
  for (const line of writer.lines) note(promises, line);
  if (withoutNats) {
    await server.restart();
    tally.livesWithoutNats += 1;
  }
  if (fault !== "none") tally.diskFaults += 1;
  tally.writerKills += 1;
  if (random() < 0.4) {
    await tear(folder, random);
    tally.tornTails += 1;
  }
  say(`round ${round + 1}: ${promises.size} calls so far`);
}

function note(promises: Promises, line: string): void {
  const [word, eventId, tokens] = line.split(" ");
  if (eventId === undefined) return;
  if (word === "started" && !promises.has(eventId)) promises.set(eventId, undefined);
  if (word === "finished") promises.set(eventId, Number(tokens));
}

/** What a loss of power leaves behind the last whole record: half a frame, or zeros. */
async function tear(folder: string, random: () => number): Promise<void> {
  const newest = (await readdir(folder))
    .filter((name) => name.endsWith(".seg"))
    .sort((a, b) => a.slice(-14).localeCompare(b.slice(-14)))
    .at(-1);
  if (newest === undefined) return;
  const rubbish = Buffer.alloc(1 + Math.floor(random() * 200), random() < 0.5 ? 0 : 0x5a);
  await appendFile(join(folder, newest), rubbish);
}

type Sums = { readonly events: number; readonly outputTokens: number; readonly lost: number };

/** A last life without faults: everything is published, and UsageService is asked for the sums. */
async function lastLife(folder: string, url: string): Promise<Sums> {
  const quiet = { warn: () => undefined, info: () => undefined };
  const ledger = await openLedger({
    folder: join(folder, "journal"),
    instance: "faults",
    durability: "fsync",
    retainMs: 3_600_000,
    maxBytes: 1 << 30,
    delivery: "outbox",
    reprice: () => undefined,
    onPoisoned: () => undefined,
    log: quiet,
    now: Date.now,
  });
  const publisher = new Publisher(ledger.outbox, {
    access: { servers: [url] },
    stream: "USAGE",
    format: "protobuf",
    instance: "faults",
    log: quiet,
  });
  const deadline = performance.now() + settleMs;
  while (ledger.figures.outboxDepth > 0 && performance.now() < deadline) await wait(50);
  const reader = new UsageReader(ledger, { path: join(folder, "usage.sqlite") });
  const request = create(QueryUsageRequestSchema, { filter: {}, groupBy: [UsageDimension.OUTCOME] });
  const { rows } = await reader.query({ kind: "everything" }, request);
  await reader.close();
  await publisher.close(1_000);
  await ledger.close();
  const total = (pick: (row: (typeof rows)[number]) => bigint): number =>
    rows.reduce((sum, row) => sum + Number(pick(row)), 0);
  return {
    events: total((row) => row.requestCount),
    outputTokens: total((row) => row.outputTokens),
    lost: Number(rows.find((row) => row.dimensions["outcome"] === "lost")?.requestCount ?? 0n),
  };
}

type Counted = Pick<
  SuiteReport,
  "started" | "finished" | "lost" | "inStream" | "doublesInStream" | "booked" | "problems"
>;

async function count(url: string, databasePath: string, promises: Promises, sums: Sums): Promise<Counted> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  const inStream = (await manager.streams.info("USAGE")).state.messages;
  // The consumer has acknowledged everything when nothing is pending and nothing is under way.
  const deadline = performance.now() + settleMs;
  for (;;) {
    const info = await manager.consumers.info("USAGE", "billing");
    if ((info.num_pending === 0 && info.num_ack_pending === 0) || performance.now() > deadline) break;
    await wait(100);
  }
  await connection.close();
  const database = new DatabaseSync(databasePath, { readOnly: true });
  try {
    const rows = database
      .prepare("SELECT event_id, outcome, output_tokens, instance_boot_id, instance_sequence FROM usage_event")
      .all();
    const booked = new Map(rows.map((row) => [String(row["event_id"]), row]));
    const finished = [...promises.values()].filter((tokens) => tokens !== undefined).length;
    const problems = [...missing(promises, booked), ...gaps(rows), ...disagreements(rows, sums, inStream)];
    return {
      started: promises.size,
      finished,
      lost: sums.lost,
      inStream,
      doublesInStream: inStream - rows.length,
      booked: rows.length,
      problems,
    };
  } finally {
    database.close();
  }
}

type Row = Readonly<Record<string, unknown>>;

/** An acknowledged end must be booked with its own counts, and an acknowledged start must be booked at all. */
function missing(promises: Promises, booked: ReadonlyMap<string, Row>): string[] {
  const problems: string[] = [];
  for (const [eventId, tokens] of promises) {
    const row = booked.get(eventId);
    if (row === undefined) problems.push(`${eventId} began, and is not booked`);
    else if (tokens !== undefined && (row["outcome"] !== Outcome.SUCCEEDED || row["output_tokens"] !== tokens)) {
      problems.push(`${eventId} ended with ${tokens} tokens, and is booked with ${String(row["output_tokens"])}`);
    }
  }
  return problems;
}

function gaps(rows: readonly Row[]): string[] {
  const sequences = new Map<string, number[]>();
  for (const row of rows) {
    const boot = String(row["instance_boot_id"]);
    sequences.set(boot, [...(sequences.get(boot) ?? []), Number(row["instance_sequence"])]);
  }
  return [...sequences].flatMap(([boot, numbers]) => {
    const sorted = numbers.toSorted((a, b) => a - b);
    const wrong = sorted.findIndex((number, index) => number !== index + 1);
    return wrong === -1 ? [] : [`the log of ${boot} has ${sorted[wrong]} in place of ${wrong + 1}`];
  });
}

function disagreements(rows: readonly Row[], sums: Sums, inStream: number): string[] {
  const tokens = rows.reduce((sum, row) => sum + Number(row["output_tokens"] ?? 0), 0);
  const problems: string[] = [];
  if (rows.length !== sums.events) problems.push(`${rows.length} events are booked, the journal has ${sums.events}`);
  if (tokens !== sums.outputTokens) problems.push(`${tokens} tokens are booked, QueryUsage says ${sums.outputTokens}`);
  if (inStream < rows.length) problems.push(`${inStream} events are in the stream, ${rows.length} are booked`);
  return problems;
}
