import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AttemptSchema,
  CorrectionSchema,
  type CorrectUsageRequest,
  CorrectUsageRequestSchema,
  CostSchema,
  ErrorReason,
  ListUsageEventsRequestSchema,
  Outcome,
  QueryUsageRequestSchema,
  UsageDimension,
  type UsageEvent,
  UsageEventSchema,
  UsageSchema,
} from "../contract.ts";
import { Corrector } from "./corrector.ts";
import { type JournalFiles, journalFiles } from "./journal/journal-files.ts";
import { openLedger, type UsageLedger } from "./ledger.ts";
import { ledgerOptions } from "./testing/ledger-options.ts";
import { UsageReader } from "./usage-index/usage-reader.ts";

const everything = { kind: "everything" } as const;
const callMs = Date.UTC(2026, 9, 1);

/** Input tokens as asked, at a nano-USD each. */
function toCorrection(
  before: UsageEvent,
  { usage, reason, requestId }: CorrectUsageRequest,
  nowMs: number,
): UsageEvent {
  const inputTokens = usage?.inputTokens ?? before.usage?.inputTokens ?? 0;
  return Object.assign(clone(UsageEventSchema, before), {
    eventId: "",
    usage: create(UsageSchema, { inputTokens }),
    attempts: [create(AttemptSchema, { number: 1, usage: { inputTokens } })],
    cost: create(CostSchema, { totalNanoUsd: BigInt(inputTokens) }),
    correctsEventId: before.eventId,
    correction: create(CorrectionSchema, { createTime: timestampFromMs(nowMs), reason, requestId }),
  });
}

let folder: string;
let ledger: UsageLedger;
let reader: UsageReader;
let corrector: Corrector;
let ids = 0;
let isFull = false;

/** A disk that is full while `isFull`. */
const files: JournalFiles = {
  ...journalFiles,
  async create(path, durability) {
    const file = await journalFiles.create(path, durability);
    return {
      ...file,
      write: (buffer, offset, length, position, done) => {
        if (isFull) done(Object.assign(new Error("full"), { code: "ENOSPC" }), 0);
        else file.write(buffer, offset, length, position, done);
      },
      truncate: (bytes) => file.truncate(bytes),
      close: () => file.close(),
    };
  },
};

async function open(): Promise<void> {
  ledger = await openLedger(ledgerOptions({ folder: join(folder, "journal"), delivery: "keep", files }));
  reader = new UsageReader(ledger, { path: join(folder, "usage.sqlite") });
  corrector = new Corrector({
    ledger,
    find: (eventId) => reader.find(eventId),
    toCorrection,
    newId: () => {
      ids += 1;
      return `correction-${ids}`;
    },
    now: Date.now,
  });
}

async function close(): Promise<void> {
  await reader.close();
  await ledger.close();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "corrector-"));
  ids = 0;
  isFull = false;
  await open();
  for (const eventId of ["a", "b"]) await ledger.finish(eventOf(eventId));
});
afterEach(async () => {
  await close();
  await rm(folder, { recursive: true, force: true });
});

const eventOf = (eventId: string): UsageEvent =>
  create(UsageEventSchema, {
    eventId,
    eventTime: timestampFromMs(callMs),
    principal: { projectId: "search", endUserId: `user-${eventId}` },
    outcome: Outcome.LOST,
    usage: { inputTokens: 10 },
    attempts: [{ number: 1, usage: { inputTokens: 10 } }],
    cost: { totalNanoUsd: 10n },
    labels: { feature: "answers" },
  });

const correct = (eventId: string, request: MessageInitShape<typeof CorrectUsageRequestSchema> = {}) =>
  corrector.correct(create(CorrectUsageRequestSchema, { eventId, reason: "dashboard", ...request }));

const refusalOf = (correction: Promise<unknown>) =>
  correction.then(
    () => expect.fail("it was not refused"),
    ({ reason, facts }) => ({ reason, metadata: facts.metadata }),
  );

async function sums(): Promise<readonly (readonly [string, bigint, bigint, bigint])[]> {
  const request = create(QueryUsageRequestSchema, {
    filter: { startTime: timestampFromMs(callMs), endTime: timestampFromMs(callMs + 1) },
    groupBy: [UsageDimension.END_USER],
  });
  const { rows } = await reader.query(everything, request);
  return rows.map((row) => [row.dimensions["end_user"] ?? "", row.requestCount, row.inputTokens, row.costNanoUsd]);
}

const events = async () => (await reader.list(everything, create(ListUsageEventsRequestSchema, { filter: {} }))).events;

describe("the corrector", () => {
  it("has a correction on the disk, numbered like any event, before it answers, and the sums follow at once", async () => {
    const { event, correctedEvent } = await correct("a", { usage: { inputTokens: 25 } });
    expect(correctedEvent).toMatchObject({ eventId: "a", usage: { inputTokens: 10 } });
    expect(event).toMatchObject({ eventId: "correction-1", correctsEventId: "a", instanceSequence: 3n });
    expect(await sums()).toEqual([
      ["user-a", 1n, 25n, 25n],
      ["user-b", 1n, 10n, 10n],
    ]);
    await close();
    await open();
    expect((await reader.find("a"))?.correction).toMatchObject({ eventId: "correction-1", usage: { inputTokens: 25 } });
    expect((await events()).map(({ eventId }) => eventId).sort()).toEqual(["a", "b", "correction-1"]);
  });

  it("says the same when the index is made anew from the journal", async () => {
    await correct("a", { usage: { inputTokens: 25 } });
    await correct("correction-1", { usage: { inputTokens: 30 } });
    const before = await sums();
    await close();
    for (const suffix of ["", "-wal", "-shm"]) await rm(join(folder, `usage.sqlite${suffix}`), { force: true });
    await open();
    expect(await sums()).toEqual(before);
    expect(before[0]).toEqual(["user-a", 1n, 30n, 30n]);
  });

  it("replaces an event once: another correction must name the newest", async () => {
    await correct("a", { usage: { inputTokens: 25 } });
    expect(await refusalOf(correct("a", { usage: { inputTokens: 26 } }))).toEqual({
      reason: ErrorReason.CONFLICT,
      metadata: { correctedBy: "correction-1" },
    });
    await correct("correction-1", { usage: { inputTokens: 26 } });
    expect((await sums())[0]).toEqual(["user-a", 1n, 26n, 26n]);
  });

  it("lets one of many at once through", async () => {
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => correct("a", { usage: { inputTokens: index } })),
    );
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await events()).toHaveLength(3);
  });

  it("answers a repeat with what was made, also in its next life, and refuses another request under the same id", async () => {
    const request = { usage: { inputTokens: 25 }, requestId: "r-1" };
    const { event } = await correct("a", request);
    expect((await correct("a", request)).event?.eventId).toBe(event?.eventId);
    await close();
    await open();
    const again = await correct("a", request);
    expect(again.event).toMatchObject({ eventId: "correction-1", instanceBootId: event?.instanceBootId });
    expect(again.correctedEvent?.eventId).toBe("a");
    for (const other of [{ usage: { inputTokens: 26 } }, { reason: "another" }]) {
      expect(await refusalOf(correct("a", { ...request, ...other }))).toMatchObject({
        reason: ErrorReason.REQUEST_ID_REUSED,
      });
    }
    expect(await events()).toHaveLength(3);
  });

  it("writes nothing when it is only asked", async () => {
    const { event } = await correct("a", { usage: { inputTokens: 25 }, validateOnly: true });
    expect(event).toMatchObject({ eventId: "", usage: { inputTokens: 25 }, cost: { totalNanoUsd: 25n } });
    expect(await events()).toHaveLength(2);
  });

  it("does not know an event of another journal", async () => {
    expect(await refusalOf(correct("elsewhere"))).toMatchObject({ reason: ErrorReason.RESOURCE_NOT_FOUND });
  });

  it("forgets a correction that the disk did not take: who was refused asks again", async () => {
    isFull = true;
    expect(await refusalOf(correct("a", { usage: { inputTokens: 25 } }))).toMatchObject({
      reason: ErrorReason.GATEWAY_OVERLOADED,
    });
    isFull = false;
    expect(ledger.figures.owedEvents).toBe(0);
    await expect
      .poll(
        () =>
          correct("a", { usage: { inputTokens: 25 } }).then(
            () => true,
            () => false,
          ),
        { timeout: 5_000 },
      )
      .toBe(true);
    expect((await reader.find("a"))?.correction?.instanceSequence).toBe(3n);
    expect(await events()).toHaveLength(3);
  });

  it("refuses when too many wait", async () => {
    const tries = await Promise.allSettled(Array.from({ length: 80 }, () => correct("b", { validateOnly: true })));
    expect(tries.filter(({ status }) => status === "rejected")).toHaveLength(16);
  });
});
