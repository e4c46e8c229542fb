// Kills writers and NATS at random instants, round after round, and then counts: no acknowledged end of a call may be
// missing, none may be booked twice, no number of an instance's log may be skipped, and every sum must agree.
import { appendFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { BillingDatabase } from "../../examples/billing-consumer/billing-database.ts";
import { consumeUsage } from "../../examples/billing-consumer/consume-usage.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { startChild } from "./child.ts";
import { type Counted, count, lastLife, type Promises } from "./verdict.ts";

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
} & Counted;

type Tally = {
  writerKills: number;
  natsKills: number;
  livesWithoutNats: number;
  diskFaults: number;
  tornTails: number;
};

/** SYNC: the disk takes the bytes and fails to make them durable. */
const faults = ["none", "none", "ENOSPC", "none", "EIO", "none", "SYNC"] as const;
const clockShiftsMs = [0, -3_600_000, 0, 86_400_000, -60_000, 0, 0] as const;

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
    const report = await count(server.url, databasePath, promises, sums, (event) => event.eventId);
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
