// The end of every crash suite: a last life without faults publishes what is left, and then the promises that callers
// had, the stream, the consumer's database and UsageService are held against each other.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { create, fromBinary } from "@bufbuild/protobuf";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import {
  Outcome,
  QueryUsageRequestSchema,
  UsageDimension,
  type UsageEvent,
  UsageEventSchema,
} from "../../src/contract.ts";
import { openLedger } from "../../src/ledger/ledger.ts";
import { Publisher } from "../../src/ledger/publisher/publisher.ts";
import { UsageReader } from "../../src/ledger/usage-index/usage-reader.ts";

const settleMs = 60_000;

export type Sums = { readonly events: number; readonly outputTokens: number; readonly lost: number };

/** A last life without faults: everything is published, and UsageService is asked for the sums. */
export async function lastLife(folder: string, url: string): Promise<Sums> {
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

export type Counted = {
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

/** What callers were told: by call id, the output tokens of an acknowledged end, or `undefined` for a start alone. */
export type Promises = Map<string, number | undefined>;

/** `idOf`: the id of the call that an event stands for. */
export async function count(
  url: string,
  databasePath: string,
  promises: Promises,
  sums: Sums,
  idOf: (event: UsageEvent) => string,
): Promise<Counted> {
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
      .prepare("SELECT payload, outcome, output_tokens, instance_boot_id, instance_sequence FROM usage_event")
      .all();
    const booked = new Map(rows.map((row) => [idOf(eventOf(row)), row]));
    const doubled = rows.length - booked.size;
    const finished = [...promises.values()].filter((tokens) => tokens !== undefined).length;
    const problems = [...missing(promises, booked), ...gaps(rows), ...disagreements(rows, sums, inStream)];
    if (doubled > 0) problems.push(`${doubled} calls have more than one event`);
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

function eventOf(row: Row): UsageEvent {
  const { payload } = row;
  if (!(payload instanceof Uint8Array)) throw new Error("a booked event has no payload");
  return fromBinary(UsageEventSchema, payload);
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
