import { create, toJson } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import {
  UsageDimension,
  UsageFilterSchema,
  UsageInterval,
  type UsageRow,
  UsageRowSchema,
  type UsageService,
} from "../contract.ts";
import { formatDrift } from "../domain/cost-drift.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import { formatUsd } from "./format-usd.ts";
import { Progress } from "./progress.ts";
import { type Column, formatTable } from "./table.ts";
import { createUsageClient, type GatewayAddress, toCommandError } from "./usage-client.ts";

export type UsageSumOptions = GatewayAddress & {
  /** Words of `dimensionByWord`, or "label:NAME". */
  readonly by: readonly string[];
  /** Milliseconds before now. */
  readonly sinceMs: number;
  readonly interval?: keyof typeof intervalByWord | undefined;
  readonly project?: string | undefined;
  readonly model?: string | undefined;
  readonly json: boolean;
};

export const dimensionByWord = {
  project: UsageDimension.PROJECT,
  key: UsageDimension.KEY,
  team: UsageDimension.TEAM,
  end_user: UsageDimension.END_USER,
  model: UsageDimension.MODEL,
  provider: UsageDimension.PROVIDER,
  operation: UsageDimension.OPERATION,
  outcome: UsageDimension.OUTCOME,
} as const satisfies Readonly<Record<string, UsageDimension>>;

export const intervalByWord = {
  minute: UsageInterval.MINUTE,
  hour: UsageInterval.HOUR,
  day: UsageInterval.DAY,
  month: UsageInterval.MONTH,
} as const satisfies Readonly<Record<string, UsageInterval>>;

const labelPrefix = "label:";
const pageSize = 1000;
const rowsMax = 100_000;

/** `llm-gateway usage sum`: usage of a running gateway, summed by dimension and time, as a table or as JSON lines. */
export async function usageSum(options: UsageSumOptions, io: CommandIo): Promise<void> {
  const client = createUsageClient(options);
  const words = options.by.filter((word) => !word.startsWith(labelPrefix));
  const labels = options.by
    .filter((word) => word.startsWith(labelPrefix))
    .map((word) => word.slice(labelPrefix.length));
  const rows = await readRows(client, options, words.map(toDimension), labels, io);
  if (options.json) {
    for (const row of rows) io.out(`${JSON.stringify(toJson(UsageRowSchema, row))}\n`);
    return;
  }
  io.out(rows.length === 0 ? "no usage in this time\n" : toTable(rows, words, labels, options.interval !== undefined));
}

async function readRows(
  client: Client<typeof UsageService>,
  options: UsageSumOptions,
  groupBy: UsageDimension[],
  groupByLabels: string[],
  io: CommandIo,
): Promise<readonly UsageRow[]> {
  const filter = create(UsageFilterSchema, {
    startTime: timestampFromMs(io.nowMs() - options.sinceMs),
    projectIds: options.project === undefined ? [] : [options.project],
    models: options.model === undefined ? [] : [options.model],
  });
  const interval = options.interval === undefined ? UsageInterval.UNSPECIFIED : intervalByWord[options.interval];
  const progress = new Progress(io);
  const rows: UsageRow[] = [];
  try {
    for (let pageToken = ""; ; ) {
      const page = await client.queryUsage(
        { filter, groupBy, groupByLabels, interval, pageSize, pageToken },
        { signal: io.signal },
      );
      rows.push(...page.rows);
      pageToken = page.nextPageToken;
      if (pageToken === "") return rows;
      if (rows.length >= rowsMax)
        throw new CommandError(`more than ${rowsMax} rows; ask for less time or fewer dimensions`);
      progress.show(`${rows.length} rows read`);
    }
  } catch (error) {
    throw toCommandError(error, options.address);
  } finally {
    progress.done();
  }
}

function toDimension(word: string): UsageDimension {
  const dimension = Object.entries(dimensionByWord).find(([known]) => known === word)?.[1];
  if (dimension !== undefined) return dimension;
  const known = Object.keys(dimensionByWord).join(", ");
  throw new CommandError(`--by takes ${known} and label:NAME`, { exitCode: 2 });
}

function toTable(
  rows: readonly UsageRow[],
  words: readonly string[],
  labels: readonly string[],
  hasTime: boolean,
): string {
  const hasReports = rows.some((row) => row.reportedCostNanoUsd > 0n);
  const columns: readonly Column[] = [
    ...(hasTime ? [{ title: "TIME", align: "left" } as const] : []),
    ...[...words, ...labels].map((word) => ({ title: word.toUpperCase(), align: "left" }) as const),
    ...["CALLS", "ERRORS", "INPUT", "CACHED", "OUTPUT", "COST USD"].map(
      (title) => ({ title, align: "right" }) as const,
    ),
    ...(hasReports ? ["REPORTED", "DRIFT"].map((title) => ({ title, align: "right" }) as const) : []),
  ];
  const cells = rows.map((row) => [
    ...(hasTime ? [row.bucketStartTime === undefined ? "" : shortTime(timestampDate(row.bucketStartTime))] : []),
    ...words.map((word) => row.dimensions[word] || "-"),
    ...labels.map((label) => row.labels[label] || "-"),
    ...sums([row], hasReports),
  ]);
  const dimensionCount = columns.length - sums([], hasReports).length;
  const total = Array.from({ length: dimensionCount }, (_, index) => (index === 0 ? "total" : ""));
  const all = rows.length < 2 || dimensionCount === 0 ? cells : [...cells, [...total, ...sums(rows, hasReports)]];
  return formatTable(columns, all);
}

/** With reports: what providers say that it cost, and how far that is from our prices of the same attempts. */
function sums(rows: readonly UsageRow[], hasReports: boolean): readonly string[] {
  const sumOf = (value: (row: UsageRow) => bigint) => rows.reduce((sum, row) => sum + value(row), 0n);
  const reported = sumOf((row) => row.reportedCostNanoUsd);
  return [
    String(sumOf((row) => row.requestCount)),
    String(sumOf((row) => row.errorCount)),
    String(sumOf((row) => row.inputTokens)),
    String(sumOf((row) => row.cacheReadInputTokens)),
    String(sumOf((row) => row.outputTokens)),
    formatUsd(sumOf((row) => row.costNanoUsd)),
    ...(hasReports
      ? [
          formatUsd(reported),
          formatDrift(
            reported,
            sumOf((row) => row.comparedCostNanoUsd),
          ),
        ]
      : []),
  ];
}

function shortTime(date: Date): string {
  return date.toISOString().slice(0, 16).replace("T", " ");
}
