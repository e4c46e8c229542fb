import { readFileSync } from "node:fs";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import { formatDrift } from "../domain/cost-drift.ts";
import { type Reconciliation, reconcile } from "../ledger/reconcile.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import { formatUsd } from "./format-usd.ts";
import { Progress } from "./progress.ts";
import { readNatsAccess } from "./read-nats-access.ts";
import { formatTable } from "./table.ts";
import { journalsIn } from "./workers/find-retired.ts";

export type UsageReconcileOptions = {
  readonly config: string;
  /** Milliseconds before now. */
  readonly sinceMs: number;
  /** SQLite file of the billing consumer: a table `usage_event` with `event_id` and `event_time_ms`. */
  readonly database?: string | undefined;
  /** File with the event ids that another database has booked, one a line. */
  readonly bookedIds?: string | undefined;
  readonly json: boolean;
};

/** Ids of each kind that are printed; `--json` prints all. */
const idsShownMax = 20;

/**
 * `llm-gateway usage reconcile`: holds the journals of all workers, the stream and, when one is named, a consumer's database
 * against each other.
 * Gives the exit code: 1 when something is missing, doubled or differs. Reads only, and runs beside the gateway.
 */
export async function usageReconcile(
  options: UsageReconcileOptions,
  known: LoadOptions,
  io: CommandIo,
): Promise<0 | 1> {
  const config = await loadConfig(options.config, known);
  const { nats } = config.usage;
  if (nats === undefined) {
    throw new CommandError(`${options.config}: usage.nats is missing, so there is no stream to compare with`);
  }
  const sinceMs = io.nowMs() - options.sinceMs;
  const bookedIds = await readBookedIds(options, sinceMs);
  const access = await readNatsAccess(nats, io);
  const progress = new Progress(io);
  progress.show("reading the journal and the stream …");
  const found = await reconcile({
    folders: journalsIn(config.dataDir),
    access,
    stream: nats.stream,
    sinceMs,
    bookedIds,
  })
    .catch((cause: unknown) => {
      throw new CommandError(`reconcile: ${cause instanceof Error ? cause.message : "failed"}`, { cause });
    })
    .finally(() => progress.done());
  io.out(options.json ? `${JSON.stringify(found)}\n` : toText(found, bookedIds !== undefined));
  return findingsOf(found).some(({ ids }) => ids.length > 0) ? 1 : 0;
}

async function readBookedIds(
  { database, bookedIds }: UsageReconcileOptions,
  sinceMs: number,
): Promise<readonly string[] | undefined> {
  try {
    if (database !== undefined) return await readDatabase(database, sinceMs);
    if (bookedIds === undefined) return undefined;
    const lines = readFileSync(bookedIds, "utf8").split("\n");
    return lines.map((line) => line.trim()).filter((line) => line !== "");
  } catch (cause) {
    const option = database === undefined ? "--booked-ids" : "--database";
    const because = cause instanceof Error ? cause.message : "it cannot be read";
    throw new CommandError(`${option} ${database ?? bookedIds}: ${because}`, { cause });
  }
}

async function readDatabase(path: string, sinceMs: number): Promise<readonly string[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare("SELECT event_id FROM usage_event WHERE event_time_ms >= ?").all(sinceMs);
    return rows.map((row) => String(row["event_id"]));
  } finally {
    database.close();
  }
}

type Finding = { readonly words: string; readonly ids: readonly string[] };

function findingsOf(found: Reconciliation): readonly Finding[] {
  return [
    { words: "missing in the stream (usage replay brings them back)", ids: found.missingInStream },
    { words: "more than once in the stream (the consumer drops the rest)", ids: found.doubledInStream },
    { words: "differ between journal and stream", ids: found.differing },
    { words: "missing in the database", ids: found.missingInDatabase },
    { words: "more than once in the database", ids: found.doubledInDatabase },
  ];
}

function toText(found: Reconciliation, hasDatabase: boolean): string {
  const findings = findingsOf(found).filter(({ ids }) => ids.length > 0);
  const counts = [
    ["journal", String(found.inJournal)],
    ["stream", String(found.inStream)],
    ...(hasDatabase ? [["database", String(found.booked)]] : []),
    ["on their way", String(found.waiting)],
  ];
  const table = formatTable(
    [
      { title: "WHERE", align: "left" },
      { title: "EVENTS", align: "right" },
    ],
    counts,
  );
  const lines = findings.flatMap(({ words, ids }) => [
    `${ids.length} ${words}:`,
    ...ids.slice(0, idsShownMax).map((id) => `  ${id}`),
    ...(ids.length > idsShownMax ? [`  and ${ids.length - idsShownMax} more; --json lists all`] : []),
  ]);
  const verdict = findings.length === 0 ? "nothing is missing, doubled or differs" : lines.join("\n");
  return `${table}${verdict}\n${reportedTable(found.reported)}`;
}

/** Costs that providers report beside ours. A drift is no finding: the bill is by our prices. */
function reportedTable(reported: Reconciliation["reported"]): string {
  if (reported.length === 0) return "";
  const rows = reported.map(({ provider, model, attempts, reportedNanoUsd, comparedNanoUsd }) => {
    const [theirs, ours] = [BigInt(reportedNanoUsd), BigInt(comparedNanoUsd)];
    return [provider, model, String(attempts), formatUsd(ours), formatUsd(theirs), formatDrift(theirs, ours)];
  });
  const columns = [
    ...["PROVIDER", "MODEL"].map((title) => ({ title, align: "left" }) as const),
    ...["ATTEMPTS", "COST USD", "REPORTED", "DRIFT"].map((title) => ({ title, align: "right" }) as const),
  ];
  return `\n${formatTable(columns, rows)}`;
}
