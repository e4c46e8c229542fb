import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CacheStatus,
  ErrorReason,
  ListUsageEventsRequestSchema,
  Operation,
  Outcome,
  QueryUsageRequestSchema,
  UsageDimension,
  type UsageEvent,
  UsageEventSchema,
  UsageInterval,
  type UsageRow,
  WatchUsageEventsRequestSchema,
} from "../../contract.ts";
import { openLedger, type UsageLedger } from "../ledger.ts";
import { ledgerOptions } from "../testing/ledger-options.ts";
import { filterOf, isAsked, keyOf, rowKeyOf } from "./testing/asked-usage.ts";
import { UsageReader } from "./usage-reader.ts";
import type { UsageScope } from "./usage-scope.ts";

const everything: UsageScope = { kind: "everything" };
const startMs = Date.UTC(2026, 0, 31, 22, 58, 30);

type EventShape = MessageInitShape<typeof UsageEventSchema>;

describe("the usage index", () => {
  let folder: string;
  let ledger: UsageLedger;
  let reader: UsageReader;
  let count = 0;

  async function open(): Promise<void> {
    ledger = await openLedger(ledgerOptions({ folder: join(folder, "journal"), delivery: "keep" }));
    reader = new UsageReader(ledger, { path: join(folder, "usage.sqlite"), heartbeatMs: 100 });
  }

  async function close(): Promise<void> {
    await reader.close();
    await ledger.close();
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "usage-index-"));
    await open();
  });
  afterEach(async () => {
    await close();
    await rm(folder, { recursive: true, force: true });
  });

  async function record(shape: EventShape): Promise<UsageEvent> {
    count += 1;
    const event = create(UsageEventSchema, {
      eventId: `event-${count}`,
      eventTime: timestampFromMs(startMs),
      operation: Operation.CHAT,
      outcome: Outcome.SUCCEEDED,
      ...shape,
    });
    await ledger.finish(event);
    return event;
  }

  type Question = Omit<MessageInitShape<typeof QueryUsageRequestSchema>, "$typeName">;
  const query = async (question: Question, scope: UsageScope = everything): Promise<UsageRow[]> =>
    (await reader.query(scope, create(QueryUsageRequestSchema, { filter: {}, ...question }))).rows;

  /** Every row, page by page; each page but the last is full. */
  async function queryAll(question: Question): Promise<UsageRow[]> {
    const rows: UsageRow[] = [];
    for (let pageToken = ""; ; ) {
      const page = await reader.query(everything, create(QueryUsageRequestSchema, { ...question, pageToken }));
      rows.push(...page.rows);
      pageToken = page.nextPageToken;
      if (pageToken === "") return rows;
      expect(page.rows).toHaveLength(question.pageSize ?? 0);
    }
  }

  it("shows a call as soon as its end was acknowledged", async () => {
    for (let index = 1; index <= 20; index += 1) {
      await record({ usage: { inputTokens: 10, outputTokens: 1 }, cost: { totalNanoUsd: 7n } });
      const [row] = await query({});
      expect(row).toMatchObject({
        requestCount: BigInt(index),
        inputTokens: BigInt(index) * 10n,
        costNanoUsd: BigInt(index) * 7n,
      });
    }
  });

  it("lists each event as it was, also when it reads many megabytes at once", async () => {
    const shapes = Array.from({ length: 300 }, (_, index) => ({ labels: { text: String(index).padEnd(10_000, "x") } }));
    const recorded = await Promise.all(shapes.map((shape) => record(shape)));
    const request = create(ListUsageEventsRequestSchema, { filter: {}, pageSize: 1_000 });
    const { events } = await reader.list(everything, request);
    const labelsById = new Map(events.map((event) => [event.eventId, event.labels["text"]]));
    for (const { eventId, labels } of recorded) expect(labelsById.get(eventId)).toBe(labels["text"]);
    expect(events).toHaveLength(300);
  });

  it("sums every count of the contract", async () => {
    await record({
      outcome: Outcome.FAILED,
      responseCacheStatus: CacheStatus.HIT_EXACT,
      savedNanoUsd: 9n,
      duration: { seconds: 1n, nanos: 500_000_000 },
      usage: {
        inputTokens: 100,
        outputTokens: 20,
        cacheReadInputTokens: 30,
        cacheWriteInputTokens: 40,
        reasoningOutputTokens: 5,
      },
      cost: { totalNanoUsd: 5_000_000_000_000_000n },
    });
    await record({ cost: { totalNanoUsd: 5_000_000_000_000_001n } });
    expect(await query({})).toEqual([
      expect.objectContaining({
        requestCount: 2n,
        errorCount: 1n,
        responseCacheHitCount: 1n,
        inputTokens: 100n,
        outputTokens: 20n,
        cacheReadInputTokens: 30n,
        cacheWriteInputTokens: 40n,
        reasoningOutputTokens: 5n,
        costNanoUsd: 10_000_000_000_000_001n,
        savedNanoUsd: 9n,
        durationMs: 1_500n,
      }),
    ]);
  });

  it("gives the sums that adding up the events one by one gives, for any range, filter, grouping and interval", async () => {
    const word = (...words: string[]) => fc.constantFrom(...words);
    const events: UsageEvent[] = [];
    const shapes = fc.record({
      // Around a change of hour, day and month, to the millisecond.
      at: fc.oneof(
        fc.integer({ min: 0, max: 4 * 3_600_000 }),
        fc.integer({ min: -40 * 86_400_000, max: 40 * 86_400_000 }),
        word("0", "90000", "3690000").map(Number),
      ),
      project: word("search", "chat"),
      key: word("k1", "k2"),
      user: word("u1", "u2", "u3", "u4", "u5", "u6", "u7", ""),
      model: word("m1", "m2"),
      outcome: fc.constantFrom(Outcome.SUCCEEDED, Outcome.LOST),
      task: word("x", "y", ""),
      tenant: word("t1", "t2", ""),
      run: word("r1", ""),
      tokens: fc.integer({ min: 0, max: 1_000 }),
      /** Place of an earlier event that this one replaces, now and then. */
      corrects: fc.option(fc.nat({ max: 399 }), { freq: 5, nil: undefined }),
    });
    const replaced = new Set<string>();
    for (const shape of fc.sample(shapes, 400)) {
      const corrected = shape.corrects === undefined ? undefined : events[shape.corrects];
      if (corrected !== undefined) replaced.add(corrected.eventId);
      events.push(
        await record({
          eventTime: timestampFromMs(startMs + shape.at),
          principal: {
            projectId: shape.project,
            keyId: shape.key,
            teamId: `team of ${shape.project}`,
            endUserId: shape.user,
          },
          model: shape.model,
          outcome: shape.outcome,
          labels: {
            ...(shape.task === "" ? {} : { task: shape.task }),
            ...(shape.tenant === "" ? {} : { tenant: shape.tenant }),
          },
          workflowRunId: shape.run,
          correctsEventId: corrected?.eventId ?? "",
          usage: { inputTokens: shape.tokens },
        }),
      );
    }
    const time = fc.option(
      fc.oneof(
        fc.integer({ min: startMs - 60_000, max: startMs + 5 * 3_600_000 }),
        fc.integer({ min: startMs - 45 * 86_400_000, max: startMs + 45 * 86_400_000 }),
        fc.constantFrom(Date.UTC(2026, 0, 1), Date.UTC(2026, 1, 1), Date.UTC(2026, 1, 2), Date.UTC(2026, 0, 31, 23)),
      ),
      { nil: undefined },
    );
    const questions = fc.record({
      from: time,
      to: time,
      projects: fc.subarray(["search", "chat"]),
      keys: fc.subarray(["k1", "k2"]),
      models: fc.subarray(["m1", "m2"]),
      outcomes: fc.subarray([Outcome.SUCCEEDED, Outcome.LOST]),
      task: word("x", ""),
      run: word("r1", "", "", ""),
      groupBy: fc.subarray([
        UsageDimension.PROJECT,
        UsageDimension.END_USER,
        UsageDimension.MODEL,
        UsageDimension.OUTCOME,
      ]),
      byLabels: fc.subarray(["task", "tenant"]),
      interval: fc.constantFrom(...Object.values(UsageInterval).filter((value) => typeof value === "number")),
      pageSize: fc.constantFrom(3, 40, 10_000),
    });
    await fc.assert(
      fc.asyncProperty(questions, async (asked) => {
        const filter = filterOf(asked);
        const expected = new Map<string, { n: bigint; tokens: bigint }>();
        const counted = events.filter(({ eventId }) => !replaced.has(eventId));
        for (const event of counted.filter((candidate) => isAsked(candidate, asked))) {
          const atMs = event.eventTime === undefined ? 0 : timestampMs(event.eventTime);
          const key = keyOf(event, atMs, asked);
          const sum = expected.get(key) ?? { n: 0n, tokens: 0n };
          expected.set(key, { n: sum.n + 1n, tokens: sum.tokens + BigInt(event.usage?.inputTokens ?? 0) });
        }
        const rows = await queryAll({
          pageSize: asked.pageSize,
          filter,
          groupBy: [...asked.groupBy],
          groupByLabels: [...asked.byLabels],
          interval: asked.interval,
        });
        const found = new Map(
          rows.map((row) => [rowKeyOf(row, asked), { n: row.requestCount, tokens: row.inputTokens }]),
        );
        expect(found).toEqual(expected);
        expect(rows).toHaveLength(expected.size);
      }),
      { numRuns: 150 },
    );
  });

  it("pages through rows and events without a hole or a double, and while events arrive", async () => {
    for (let index = 0; index < 25; index += 1) {
      await record({ principal: { projectId: `p${index % 7}` }, eventTime: timestampFromMs(startMs + (index % 5)) });
    }
    const rows: string[] = [];
    for (let pageToken = ""; ; ) {
      const request = { filter: {}, groupBy: [UsageDimension.PROJECT], pageSize: 2, pageToken };
      const page = await reader.query(everything, create(QueryUsageRequestSchema, request));
      rows.push(...page.rows.map((row) => row.dimensions["project"] ?? ""));
      await record({ principal: { projectId: "p0" } });
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    expect(rows).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);

    const filter = { endTime: timestampFromMs(startMs + 1_000) };
    const listed: UsageEvent[] = [];
    for (let pageToken = ""; ; ) {
      const page = await reader.list(
        everything,
        create(ListUsageEventsRequestSchema, { filter, pageSize: 4, pageToken }),
      );
      listed.push(...page.events);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    expect(new Set(listed.map((event) => event.eventId)).size).toBe(29);
    const times = listed.map((event) => (event.eventTime === undefined ? 0 : timestampMs(event.eventTime)));
    expect(times).toEqual([...times].sort((a, b) => b - a));
  });

  it("refuses a page token of another request", async () => {
    for (let index = 0; index < 3; index += 1) await record({ principal: { projectId: `p${index}` } });
    const first = await reader.query(
      everything,
      create(QueryUsageRequestSchema, { filter: {}, groupBy: [UsageDimension.PROJECT], pageSize: 1 }),
    );
    expect(first.nextPageToken).not.toBe("");
    for (const shape of [
      { groupBy: [UsageDimension.MODEL], pageToken: first.nextPageToken },
      { pageToken: "rubbish" },
    ]) {
      await expect(
        reader.query(everything, create(QueryUsageRequestSchema, { filter: {}, ...shape })),
      ).rejects.toMatchObject({
        reason: ErrorReason.INVALID_REQUEST,
      });
    }
  });

  it("never shows a caller the events of another, whatever the filter says", async () => {
    await record({ principal: { orgId: "acme", teamId: "a", projectId: "p1" } });
    await record({ principal: { orgId: "acme", teamId: "b", projectId: "p2" } });
    await record({ principal: { orgId: "other", teamId: "c", projectId: "p3" } });
    const seen = async (scope: UsageScope): Promise<string[]> => {
      const rows = await query(
        { filter: { projectIds: ["p1", "p2", "p3"] }, groupBy: [UsageDimension.PROJECT] },
        scope,
      );
      const { events } = await reader.list(scope, create(ListUsageEventsRequestSchema));
      const names = rows.map((row) => row.dimensions["project"] ?? "");
      expect(events.map((event) => event.principal?.projectId ?? "").sort()).toEqual(names);
      return names;
    };
    expect(await seen({ kind: "project", projectId: "p1" })).toEqual(["p1"]);
    expect(await seen({ kind: "team", teamId: "b" })).toEqual(["p2"]);
    expect(await seen({ kind: "organisation", organisationId: "acme" })).toEqual(["p1", "p2"]);
    expect(await seen(everything)).toEqual(["p1", "p2", "p3"]);
    expect(await query({ filter: { projectIds: ["p3"] } }, { kind: "project", projectId: "p1" })).toEqual([]);
  });

  it("counts a correction instead of the event that it replaces", async () => {
    const wrong = await record({
      principal: { projectId: "p" },
      usage: { inputTokens: 100 },
      cost: { totalNanoUsd: 50n },
    });
    await record({
      principal: { projectId: "p" },
      usage: { inputTokens: 80 },
      cost: { totalNanoUsd: 40n },
      correctsEventId: wrong.eventId,
    });
    const sums = { requestCount: 1n, inputTokens: 80n, costNanoUsd: 40n };
    expect(await query({})).toEqual([expect.objectContaining(sums)]);
    // And at the edges, which come from single events.
    const filter = { startTime: timestampFromMs(startMs), endTime: timestampFromMs(startMs + 1) };
    expect(await query({ filter })).toEqual([expect.objectContaining(sums)]);
  });

  it("is made again from the journal when it is gone or broken, and keeps what the journal no longer has", async () => {
    await record({ usage: { inputTokens: 5 } });
    expect(await query({})).toMatchObject([{ inputTokens: 5n }]);
    await close();
    await writeFile(join(folder, "usage.sqlite"), "this is no database, this is no database, this is no database");
    await open();
    expect(await query({})).toMatchObject([{ inputTokens: 5n }]);

    await close();
    await rm(join(folder, "journal"), { recursive: true });
    await open();
    await record({ usage: { inputTokens: 7 } });
    await record({ usage: { inputTokens: 7 } });
    expect(await query({})).toMatchObject([{ requestCount: 3n, inputTokens: 19n }]);
  });

  it("streams past events from a cursor, then new ones, with heartbeats that carry a cursor", async () => {
    const abort = new AbortController();
    const request = create(WatchUsageEventsRequestSchema, { filter: { projectIds: ["p"] } });
    const first = reader.watch(everything, request, abort.signal);
    const beginning = (await first.next()).value?.cursor ?? "";
    for (let index = 0; index < 600; index += 1)
      await record({ principal: { projectId: index % 2 === 0 ? "p" : "q" } });

    const take = async (watch: typeof first, wanted: number): Promise<{ ids: string[]; cursor: string }> => {
      const ids: string[] = [];
      let cursor = "";
      for (;;) {
        const { value } = await watch.next();
        if (value === undefined) break;
        cursor = value.cursor;
        if (value.event !== undefined) ids.push(value.event.eventId);
        if (ids.length === wanted) break;
      }
      return { ids, cursor };
    };
    const live = await take(first, 300);
    const again = reader.watch(
      everything,
      create(WatchUsageEventsRequestSchema, { ...request, cursor: beginning }),
      abort.signal,
    );
    const half = await take(again, 100);
    const rest = reader.watch(
      everything,
      create(WatchUsageEventsRequestSchema, { ...request, cursor: half.cursor }),
      abort.signal,
    );
    expect([...half.ids, ...(await take(rest, 200)).ids]).toEqual(live.ids);

    let heartbeat = await first.next();
    while (heartbeat.value?.event !== undefined) heartbeat = await first.next();
    expect(heartbeat.value?.cursor).not.toBe("");
    const next = first.next();
    abort.abort();
    await next;
    expect((await first.next()).done).toBe(true);
    await expect(
      reader.watch(everything, create(WatchUsageEventsRequestSchema, { cursor: "?" }), abort.signal).next(),
    ).rejects.toMatchObject({ reason: ErrorReason.INVALID_REQUEST });
  });
});
