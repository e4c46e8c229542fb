// What the usage index takes at a size: `node bench/usage-index.ts 10000000` makes that many events, reads them into an index
// as a rebuild from the journal does, and asks it what QueryUsage is asked for. Prints time, memory and disk; exit code 1
// when an answer took a second or longer. The index lies in a temporary folder and is removed; 0.8 KB an
// event.
import { mkdtempSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IndexDatabase, type InSteps, type PlacedEvent } from "../src/ledger/usage-index/index-database.ts";
import type { IndexFilter, SumQuery } from "../src/ledger/usage-index/index-query.ts";
import { toIndexedEvent } from "../src/ledger/usage-index/indexed-event.ts";
import { beginMs, createEventMaker, madeUp } from "./usage-index/made-up-events.ts";

const batchMax = 4_096;
const bytesOfEventMax = 2_000;
const answerMsMax = 1_000;
const dayMs = 86_400_000;
const hourMs = 3_600_000;
const everything: IndexFilter = {
  scope: { kind: "everything" },
  fromMs: undefined,
  toMs: undefined,
  projects: [],
  keys: [],
  models: [],
  providers: [],
  outcomes: [],
  labels: [],
  workflowRun: "",
};

const count = Number(process.argv[2] ?? 1_000_000);
if (!Number.isSafeInteger(count) || count < 1_000 || count > 50_000_000) {
  throw new Error("give a number of events from 1000 to 50000000");
}
const parent = process.argv[3] ?? tmpdir();
const { bavail, bsize } = statfsSync(parent);
const [neededBytes, freeBytes] = [count * bytesOfEventMax, bavail * bsize];
if (neededBytes > freeBytes / 2) {
  throw new Error(
    `${gib(neededBytes)} GiB may be needed, and only half of ${gib(freeBytes)} GiB in ${parent} is taken`,
  );
}
const folder = mkdtempSync(join(parent, "usage-index-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
process.once("SIGINT", () => process.exit(130));

const path = join(folder, "usage-index.sqlite");
const database = IndexDatabase.open(path);

function build(): void {
  const make = createEventMaker(count);
  let takenMs = 0;
  let rssMax = 0;
  for (let from = 0; from < count; from += batchMax) {
    const payloads = Array.from({ length: Math.min(batchMax, count - from) }, (_, index) => make(from + index));
    const startedMs = performance.now();
    const events = payloads.map(
      (payload, index): PlacedEvent => ({ ordinal: 1, offset: from + index, event: toIndexedEvent(payload) }),
    );
    database.apply(events, { ordinal: 1, bootId: "bench", offset: from + events.length });
    takenMs += performance.now() - startedMs;
    rssMax = Math.max(rssMax, process.memoryUsage.rss());
    if (from % (batchMax * 100) === 0) process.stderr.write(`${from}\r`);
  }
  const bytes = statSync(path).size;
  console.log(`${count} events in ${(takenMs / 1000).toFixed(1)} s, ${Math.round((count / takenMs) * 1000)} a second`);
  console.log(`${gib(bytes)} GiB, ${Math.round(bytes / count)} bytes an event; at most ${gib(rssMax)} GiB of memory`);
}

/** Milliseconds of the first answer, which is the one that is looked at; the median of three more stands beside it. */
function ask(name: string, query: SumQuery): number {
  const times = Array.from({ length: 4 }, () => {
    const startedMs = performance.now();
    const rows = toEnd(database.sum(query)).length;
    return { rows, ms: performance.now() - startedMs };
  });
  const [first, ...rest] = times;
  const median = rest.map(({ ms }) => ms).sort((a, b) => a - b)[1] ?? 0;
  console.log(
    `${name.padEnd(44)} ${String(first?.rows).padStart(6)} rows  ${first?.ms.toFixed(0).padStart(6)} ms  ${median.toFixed(0).padStart(6)} ms`,
  );
  return first?.ms ?? 0;
}

const whole = { fromMs: beginMs, toMs: beginMs + madeUp.days * dayMs };
const lastDay = { fromMs: beginMs + (madeUp.days - 1) * dayMs, toMs: beginMs + madeUp.days * dayMs };

function sum(filter: Partial<IndexFilter>, more: Partial<SumQuery>): SumQuery {
  return {
    filter: { ...everything, ...filter },
    groupBy: [],
    groupByLabels: [],
    interval: "all",
    limit: 1_000,
    after: undefined,
    ...more,
  };
}

function questions(): readonly (readonly [string, SumQuery])[] {
  // Neither begins nor ends with an hour or a day.
  const ragged = { fromMs: beginMs + 1.3 * dayMs + 12_345, toMs: beginMs + 29.4 * dayMs + 54_321 };
  const project = { scope: { kind: "project", projectId: "project-3" } } as const;
  return [
    ["all, ever", sum({}, {})],
    ["project, 30 days", sum(whole, { groupBy: ["project"] })],
    ["project, ragged 28 days", sum(ragged, { groupBy: ["project"] })],
    ["team", sum(whole, { groupBy: ["team"] })],
    ["key", sum(whole, { groupBy: ["key"] })],
    ["model", sum(whole, { groupBy: ["model"] })],
    ["provider", sum(whole, { groupBy: ["provider"] })],
    ["project, model and outcome", sum(whole, { groupBy: ["project", "model", "outcome"] })],
    ["project by hour", sum(whole, { groupBy: ["project"], interval: "hour" })],
    ["model by day, ragged", sum(ragged, { groupBy: ["model"], interval: "day" })],
    ["provider by minute, one day", sum(lastDay, { groupBy: ["provider"], interval: "minute" })],
    ["end user, first page", sum(whole, { groupBy: ["end_user"] })],
    ["end user, ever", sum({}, { groupBy: ["end_user"] })],
    ["end user, ragged", sum(ragged, { groupBy: ["end_user"] })],
    ["end user of a project", sum({ ...project, ...whole }, { groupBy: ["end_user"] })],
    ["end user, page behind user-3", sum(whole, { groupBy: ["end_user"], after: [0, "user-3"] })],
    ["end user by day, one day", sum(lastDay, { groupBy: ["end_user"], interval: "day" })],
    ["label feature", sum(whole, { groupByLabels: ["feature"] })],
    ["label feature, ragged", sum(ragged, { groupByLabels: ["feature"] })],
    ["label tenant", sum(whole, { groupByLabels: ["tenant"] })],
    ["label feature by day", sum(whole, { groupByLabels: ["feature"], interval: "day" })],
    ["label feature by hour, one day", sum(lastDay, { groupByLabels: ["feature"], interval: "hour" })],
    ["model where tenant is tenant-7", sum({ ...whole, labels: [["tenant", "tenant-7"]] }, { groupBy: ["model"] })],
    ["label feature of a project", sum({ ...project, ...whole }, { groupByLabels: ["feature"] })],
    ["project, last hour", sum({ fromMs: whole.toMs - hourMs, toMs: whole.toMs }, { groupBy: ["project"] })],
    ["label tenant and model, 30 days", sum(whole, { groupBy: ["model"], groupByLabels: ["tenant"] })],
    ["two labels, one day", sum(lastDay, { groupByLabels: ["tenant", "feature"] })],
    ["end user and model, one day", sum(lastDay, { groupBy: ["end_user", "model"] })],
    ["two labels, 30 days", sum(whole, { groupByLabels: ["tenant", "feature"] })],
    ["end user and model, 30 days", sum(whole, { groupBy: ["end_user", "model"] })],
  ];
}

function toEnd<Answer>(steps: InSteps<Answer>): Answer {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function gib(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(2);
}

build();
const slowest = Math.max(...questions().map(([name, query]) => ask(name, query)));
database.close();
process.exitCode = slowest < answerMsMax ? 0 : 1;
