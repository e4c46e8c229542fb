import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Operation, Outcome, UsageEventSchema } from "../../contract.ts";
import { operationWord, outcomeWord } from "../event-words.ts";
import { IndexDatabase, type InSteps } from "./index-database.ts";
import { dimensions, type Interval, type ListQuery, mapMetrics, type SumQuery, type SumRow } from "./index-query.ts";
import { toIndexedEvent } from "./indexed-event.ts";
import { bucketOf, startOf } from "./time-buckets.ts";

const word = (...words: string[]) => fc.constantFrom(...words);
/** UTF-8 and UTF-16 put the last two in different orders. */
const odd = ["", "a", "ab", "Z", "\u{ffff}", "\u{1d4b3}"];
const newYearMs = Date.UTC(2026, 0, 1);

const shapes = fc.record({
  id: fc.nat({ max: 400 }),
  timeMs: fc
    .oneof(fc.integer({ min: -1, max: 7_300_000 }), fc.integer({ min: -4e9, max: 4e9 }))
    .map((ms) => newYearMs + ms),
  project: word("p", "q"),
  key: word("k1", "k2"),
  team: word("t", "u"),
  organisation: word("acme", "other"),
  endUser: word(...odd, "u1", "u2", "u3"),
  model: word("m1", "m2"),
  provider: word("v1", "v2"),
  operation: fc.constantFrom(Operation.CHAT, Operation.EMBEDDINGS),
  outcome: fc.constantFrom(Outcome.SUCCEEDED, Outcome.FAILED),
  labels: fc.dictionary(word("x", "y", "z"), word(...odd)),
  run: word("", "", "r1", "r2"),
  tokens: fc.nat(5_000),
  cost: fc.oneof(fc.bigInt(0n, 10n ** 9n), fc.bigInt(0n, 2n ** 58n)),
  corrects: fc.option(fc.nat({ max: 400 }), { freq: 4, nil: undefined }),
});
type Shape = typeof shapes extends fc.Arbitrary<infer Value> ? Value : never;

const questions = fc.record({
  scope: fc.constantFrom<SumQuery["filter"]["scope"]>(
    { kind: "everything" },
    { kind: "everything" },
    { kind: "organisation", organisationId: "acme" },
    { kind: "team", teamId: "u" },
    { kind: "project", projectId: "q" },
  ),
  from: fc.option(fc.integer({ min: newYearMs - 5_000_000, max: newYearMs + 9_000_000 }), { nil: undefined }),
  to: fc.option(fc.integer({ min: newYearMs - 5_000_000, max: newYearMs + 9_000_000 }), { nil: undefined }),
  projects: fc.subarray(["p", "q", "nobody"]),
  keys: fc.subarray(["k1", "k2"]),
  models: fc.subarray(["m1", "m2"]),
  providers: fc.subarray(["v1", "v2"]),
  outcomes: fc.subarray(["succeeded", "failed"]),
  labels: fc.dictionary(word("x", "y"), word(...odd), { maxKeys: 1 }).map(Object.entries<string>),
  run: word("", "", "", "r1"),
  groupBy: fc.shuffledSubarray([...dimensions]),
  byLabels: fc.shuffledSubarray(["x", "y", "z", "nothing"]),
  interval: fc.constantFrom<Interval>("all", "minute", "hour", "day", "month"),
  limit: fc.constantFrom<number>(1, 3, 10, 10_000),
});
type Question = typeof questions extends fc.Arbitrary<infer Value> ? Value : never;

describe("the database of the usage index", () => {
  let folder: string;
  let database: IndexDatabase;
  let place: number;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "index-database-"));
    begin(20);
  });
  afterEach(() => {
    database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function begin(blockRows: number): void {
    database = IndexDatabase.openAnew(join(folder, "usage.sqlite"), blockRows);
    place = 0;
  }

  function reopen(blockRows: number): void {
    database.close();
    database = IndexDatabase.open(join(folder, "usage.sqlite"), blockRows);
  }

  function record(batch: readonly Shape[]): void {
    const events = batch.map((shape) => {
      place += 1;
      return { ordinal: 1, offset: place, event: toIndexedEvent(bytesOf(shape)) };
    });
    database.apply(events, { ordinal: 1, bootId: "life", offset: place + 1 });
  }

  it("answers as adding up the events one by one does, whatever is asked and however they came", () => {
    const histories = fc.record({
      blockRows: fc.integer({ min: 1, max: 60 }),
      batches: fc.array(fc.array(shapes, { maxLength: 60 }), { minLength: 1, maxLength: 6 }),
      reopenAfter: fc.nat(6),
      asked: fc.array(questions, { minLength: 20, maxLength: 20 }),
    });
    fc.assert(
      fc.property(histories, ({ blockRows, batches, reopenAfter, asked }) => {
        database.close();
        begin(blockRows);
        for (const [index, batch] of batches.entries()) {
          record(batch);
          if (index === reopenAfter) reopen(blockRows);
        }
        const { listed, counted } = held(batches.flat());
        for (const question of asked) {
          expect(sumsOf(question)).toEqual(fold(counted, question));
          expect(listOf(question)).toEqual(
            listed
              .filter(({ shape }) => isAsked(shape, question))
              .sort((a, b) => b.shape.timeMs - a.shape.timeMs || b.place - a.place)
              .map(({ shape }) => `event-${shape.id}`),
          );
          expect(tailOf(question)).toEqual(
            listed.filter(({ shape }) => isAsked(shape, question)).map(({ shape }) => `event-${shape.id}`),
          );
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it("answers from what was recorded when it was asked, while more is recorded between the steps", () => {
    const [first] = fc.sample(shapes, 1);
    if (first === undefined) throw new Error("no event");
    const batch = Array.from({ length: 50 }, (_, id) => ({ ...first, id, corrects: undefined }));
    record(batch);
    const steps = database.sum(toQuery({ ...everything, interval: "all" }, undefined));
    expect(steps.next().done).toBe(false);
    record(batch.map((shape) => ({ ...shape, id: shape.id + 1_000, endUser: `new-${shape.id}` })));
    expect(toEnd(steps)).toMatchObject([{ sums: { requests: 50n } }]);
    expect(toEnd(database.sum(toQuery({ ...everything, interval: "all" }, undefined)))).toMatchObject([
      { sums: { requests: 100n } },
    ]);
  });

  it("keeps nothing of a batch that fails, and takes it when it is read again", () => {
    const batch = fc.sample(shapes, 90).map((shape, id) => ({ ...shape, id, corrects: undefined }));
    record(batch.slice(0, 30));
    const broken = batch.slice(30).map((shape, index) => ({
      ordinal: 1,
      offset: index === 59 ? 1 : 31 + index, // The last stands in the place of another one.
      event: toIndexedEvent(bytesOf(shape)),
    }));
    expect(() => database.apply(broken, { ordinal: 1, bootId: "life", offset: 100 })).toThrow();
    const all = { ...everything, groupBy: [...dimensions], byLabels: ["x", "y", "z"], limit: 1_000 };
    expect(sumsOf(all)).toEqual(fold(batch.slice(0, 30), all));
    record(batch.slice(30));
    expect(sumsOf(all)).toEqual(fold(batch, all));
  });

  /** Page by page; each page but the last is full. */
  function sumsOf(question: Question): readonly SumRow[] {
    const rows: SumRow[] = [];
    for (let after: SumQuery["after"]; ; ) {
      const page = toEnd(database.sum(toQuery(question, after)));
      rows.push(...page.slice(0, question.limit));
      const last = rows.at(-1);
      if (page.length <= question.limit || last === undefined) return rows;
      after = [last.bucketMs, ...last.values];
    }
  }

  function listOf(question: Question): readonly string[] {
    const ids: string[] = [];
    for (let before: ListQuery["before"]; ; ) {
      const { filter, limit } = toQuery(question, undefined);
      const found = toEnd(database.list({ filter, limit, before }));
      ids.push(...found.slice(0, limit).map(({ payload }) => toIndexedEvent(payload).eventId));
      before = found.at(limit - 1);
      if (found.length <= limit) return ids;
    }
  }

  function tailOf(question: Question): readonly string[] {
    const ids: string[] = [];
    for (let after = -1n; ; ) {
      const { filter, limit } = toQuery(question, undefined);
      const { events, end } = toEnd(database.tail({ filter, limit, after }));
      ids.push(...events.map(({ payload }) => toIndexedEvent(payload).eventId));
      after = end;
      if (events.length < limit) return ids;
    }
  }
});

const everything: Question = {
  scope: { kind: "everything" },
  from: undefined,
  to: undefined,
  projects: [],
  keys: [],
  models: [],
  providers: [],
  outcomes: [],
  labels: [],
  run: "",
  groupBy: [],
  byLabels: [],
  interval: "day",
  limit: 10,
};

function bytesOf(shape: Shape): Uint8Array {
  const event = create(UsageEventSchema, {
    eventId: `event-${shape.id}`,
    correctsEventId: shape.corrects === undefined ? "" : `event-${shape.corrects}`,
    eventTime: timestampFromMs(shape.timeMs),
    principal: {
      projectId: shape.project,
      keyId: shape.key,
      teamId: shape.team,
      orgId: shape.organisation,
      endUserId: shape.endUser,
    },
    model: shape.model,
    provider: shape.provider,
    operation: shape.operation,
    outcome: shape.outcome,
    labels: shape.labels,
    workflowRunId: shape.run,
    usage: { inputTokens: shape.tokens },
    cost: { totalNanoUsd: shape.cost },
  });
  return toBinary(UsageEventSchema, event);
}

/** Events that were taken, of each id the first; and those of them that no later event replaces. */
function held(events: readonly Shape[]) {
  const listed: { readonly shape: Shape; readonly place: number }[] = [];
  const replaced = new Set<number>();
  const seen = new Set<number>();
  for (const [place, shape] of events.entries()) {
    if (seen.has(shape.id)) continue;
    seen.add(shape.id);
    listed.push({ shape, place });
    if (shape.corrects !== undefined && seen.has(shape.corrects)) replaced.add(shape.corrects);
  }
  return { listed, counted: listed.map(({ shape }) => shape).filter(({ id }) => !replaced.has(id)) };
}

function fold(events: readonly Shape[], question: Question): readonly SumRow[] {
  const rows = new Map<string, SumRow>();
  for (const shape of events.filter((candidate) => isAsked(candidate, question))) {
    const { interval, groupBy, byLabels } = question;
    const bucketMs = interval === "all" ? 0 : startOf(interval, bucketOf(interval, shape.timeMs));
    const values = [
      ...groupBy.map((dimension) => nameOf(shape, dimension)),
      ...byLabels.map((key) => shape.labels[key] ?? ""),
    ];
    const key = JSON.stringify([bucketMs, values]);
    const row = rows.get(key) ?? { bucketMs, values, sums: mapMetrics(() => 0n) };
    const { requests, errors, input_tokens, cost } = row.sums;
    rows.set(key, {
      ...row,
      sums: {
        ...row.sums,
        requests: requests + 1n,
        errors: errors + (shape.outcome === Outcome.SUCCEEDED ? 0n : 1n),
        input_tokens: input_tokens + BigInt(shape.tokens),
        cost: cost + shape.cost,
      },
    });
  }
  return [...rows.values()].sort(byKey);
}

function byKey(left: SumRow, right: SumRow): number {
  if (left.bucketMs !== right.bucketMs) return left.bucketMs - right.bucketMs;
  const orders = left.values.map((value, index) =>
    Buffer.compare(Buffer.from(value), Buffer.from(right.values[index] ?? "")),
  );
  return orders.find((order) => order !== 0) ?? 0;
}

function nameOf(shape: Shape, dimension: (typeof dimensions)[number]): string {
  if (dimension === "end_user") return shape.endUser;
  if (dimension === "operation") return operationWord(shape.operation);
  if (dimension === "outcome") return outcomeWord(shape.outcome);
  return shape[dimension];
}

function isAsked(shape: Shape, question: Question): boolean {
  const { scope, from = -Infinity, to = Infinity } = question;
  const takes = (list: readonly string[], value: string): boolean => list.length === 0 || list.includes(value);
  return [
    scope.kind !== "organisation" || shape.organisation === scope.organisationId,
    scope.kind !== "team" || shape.team === scope.teamId,
    scope.kind !== "project" || shape.project === scope.projectId,
    shape.timeMs >= from && shape.timeMs < to,
    takes(question.projects, shape.project),
    takes(question.keys, shape.key),
    takes(question.models, shape.model),
    takes(question.providers, shape.provider),
    takes(question.outcomes, outcomeWord(shape.outcome)),
    question.labels.every(([key, value]) => shape.labels[key] === value),
    question.run === "" || shape.run === question.run,
  ].every(Boolean);
}

function toQuery(question: Question, after: SumQuery["after"]): SumQuery {
  const { scope, from, to, projects, keys, models, providers, outcomes, labels, run } = question;
  return {
    filter: { scope, fromMs: from, toMs: to, projects, keys, models, providers, outcomes, labels, workflowRun: run },
    groupBy: question.groupBy,
    groupByLabels: question.byLabels,
    interval: question.interval,
    limit: question.limit,
    after,
  };
}

function toEnd<Answer>(steps: InSteps<Answer>): Answer {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
