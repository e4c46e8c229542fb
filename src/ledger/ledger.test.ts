import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CostSchema,
  ErrorReason,
  Outcome,
  type Usage,
  type UsageEvent,
  UsageEventSchema,
  UsageSchema,
  UsageSource,
} from "../contract.ts";
import { recordType } from "./journal/frame.ts";
import { type JournalFiles, journalFiles } from "./journal/journal-files.ts";
import { readEventRecord } from "./journal/record.ts";
import { scanSegment } from "./journal/scan-segment.ts";
import { type LedgerOptions, openLedger, type UsageLedger } from "./ledger.ts";
import { ledgerOptions } from "./testing/ledger-options.ts";

const eventOf = (eventId: string): UsageEvent =>
  create(UsageEventSchema, {
    eventId,
    principal: { projectId: "search" },
    usage: { inputTokens: 100, source: UsageSource.ESTIMATED },
    attempts: [{ number: 1, provider: "openai", providerId: "main", providerModel: "m", serviceTier: "flex" }],
  });

const finalOf = (eventId: string): UsageEvent =>
  create(UsageEventSchema, {
    eventId,
    principal: { projectId: "search" },
    outcome: Outcome.SUCCEEDED,
    usage: { inputTokens: 90, outputTokens: 10, source: UsageSource.PROVIDER },
  });

describe("the ledger", () => {
  let folder: string;
  let nowMs = 1_764_000_000_000;
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), "ledger-")), "journal");
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  function open(changes: Partial<LedgerOptions> = {}): Promise<UsageLedger> {
    return openLedger(ledgerOptions({ folder, now: () => nowMs, ...changes }));
  }

  /** The FINAL events of all segments, in order. */
  async function finals(): Promise<UsageEvent[]> {
    const events: UsageEvent[] = [];
    for (const name of (await readdir(folder)).filter((file) => file.endsWith(".seg")).sort(byOrdinal)) {
      await scanSegment(journalFiles, join(folder, name), 0, (frame) => {
        const record = frame.type === recordType.final ? readEventRecord(frame.payload) : undefined;
        if (record !== undefined) events.push(fromBinary(UsageEventSchema, record.message));
        return undefined;
      });
    }
    return events;
  }

  /** The folder as a kill -9 leaves it: copied while the ledger runs, since a closed one gives its lock back. */
  async function crash(): Promise<void> {
    const copy = `${folder}-copy`;
    await rm(copy, { recursive: true, force: true });
    await cp(folder, copy, { recursive: true });
    folder = copy;
  }

  it("numbers the ends of calls from 1 without a gap and says who wrote them", async () => {
    const ledger = await open();
    await Promise.all(["a", "b", "c"].map((id) => ledger.start(eventOf(id))));
    await Promise.all(["c", "a", "b"].map((id) => ledger.finish(finalOf(id))));
    await ledger.close();
    const written = await finals();
    expect(written.map((event) => [event.eventId, event.instanceSequence])).toEqual([
      ["c", 1n],
      ["a", 2n],
      ["b", 3n],
    ]);
    expect(new Set(written.map((event) => `${event.gatewayInstance} ${event.instanceBootId}`))).toEqual(
      new Set([`gateway-1 ${ledger.bootId}`]),
    );
  });

  it("takes no correction in the room that the calls which have begun need to end", async () => {
    const ledger = await open({ maxBytes: 20_000 });
    const begun: string[] = [];
    const begin = async (id: string): Promise<void> => {
      await ledger.start(eventOf(id));
      begun.push(id);
    };
    await expect(
      (async () => {
        for (let index = 0; ; index += 1) await begin(`call-${index}`);
      })(),
    ).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
    const correction = Object.assign(finalOf("correction"), {
      correctsEventId: "other",
      labels: { text: "x".repeat(5_000) },
    });
    await expect(ledger.correct(correction)).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
    for (const id of begun) await ledger.finish(finalOf(id));
    await ledger.correct(correction);
    await ledger.close();
    expect((await finals()).map(({ eventId }) => eventId)).toEqual([...begun, "correction"]);
  });

  it("closes a call that a crash cut off, once, with the last counts it wrote and their price", async () => {
    const first = await open();
    await first.start(eventOf("without-progress"));
    await first.start(create(UsageEventSchema, { ...eventOf("nowhere"), attempts: [] }));
    await first.start(eventOf("with-progress"));
    first.progress("with-progress", create(UsageSchema, { inputTokens: 95, outputTokens: 7 }));
    first.progress("with-progress", create(UsageSchema, { inputTokens: 95, outputTokens: 40 }));
    await first.start(eventOf("ended"));
    await first.finish(finalOf("ended"));
    await crash();

    nowMs += 5_000;
    const reprice = (_start: UsageEvent, usage: Usage) =>
      create(CostSchema, { totalNanoUsd: BigInt(usage.outputTokens ?? 0) * 2n });
    const second = await open({ reprice });
    expect(second.figures.lostEvents).toBe(3);
    await second.close();
    await (await open()).close();

    const lost = (await finals()).filter((event) => event.outcome === Outcome.LOST);
    expect(lost.map((event) => event.eventId).sort()).toEqual(["nowhere", "with-progress", "without-progress"]);
    const withProgress = lost.find((event) => event.eventId === "with-progress");
    expect(withProgress).toMatchObject({
      usage: { inputTokens: 95, outputTokens: 40, source: UsageSource.ESTIMATED },
      cost: { totalNanoUsd: 80n },
      attempts: [
        { usage: { inputTokens: 95, outputTokens: 40 }, costNanoUsd: 80n, providerId: "main", serviceTier: "" },
      ],
      eventTime: { seconds: BigInt(nowMs / 1000) },
      instanceBootId: second.bootId,
      statusCode: 14,
    });
    const withoutProgress = lost.find((event) => event.eventId === "without-progress");
    expect(withoutProgress?.usage).toMatchObject({ inputTokens: 100, source: UsageSource.ESTIMATED });
    expect(withoutProgress?.usage?.outputTokens).toBeUndefined();
    expect(withoutProgress?.attempts[0]?.usage).toEqual(withoutProgress?.usage);
    // No target was found for it: nothing was sent, and nothing consumed.
    const nowhere = lost.find((event) => event.eventId === "nowhere");
    expect([nowhere?.usage, nowhere?.cost]).toEqual([undefined, undefined]);
    expect(lost.map((event) => event.instanceSequence)).toEqual([1n, 2n, 3n]);
    await first.close();
  });

  it("offers what was not acknowledged to the next life, and nothing that was", async () => {
    const first = await open();
    for (const id of ["a", "b", "c", "d"]) await first.finish(finalOf(id));
    const [a, b] = await first.outbox.take(2);
    for (const event of [a, b]) if (event !== undefined) first.outbox.delivered(event);
    expect(first.figures.outboxDepth).toBe(2);
    await first.close();

    const second = await open();
    expect(second.figures.outboxDepth).toBe(2);
    await second.finish(finalOf("e"));
    const rest = [...(await second.outbox.take(10)), ...(await second.outbox.take(10))];
    expect(rest.map((item) => item.head.eventId)).toEqual(["c", "d", "e"]);
    for (const item of rest) second.outbox.delivered(item);
    await second.close();
    const third = await open();
    expect(third.figures.outboxDepth).toBe(0);
    await third.close();
  });

  it("reads a backlog that memory does not hold again from the segments, in order", async () => {
    const ledger = await open({ segmentBytesMax: 20_000 });
    const ids = Array.from({ length: 6_000 }, (_, index) => `event-${String(index).padStart(5, "0")}`);
    await Promise.all(ids.map((id) => ledger.finish(finalOf(id))));
    const taken: string[] = [];
    for (;;) {
      const events = await ledger.outbox.take(100);
      if (events.length === 0) break;
      for (const item of events) {
        taken.push(item.head.eventId);
        ledger.outbox.delivered(item);
      }
    }
    expect(taken).toEqual(ids);
    expect(ledger.figures).toMatchObject({ outboxDepth: 0, oldestUnackedMs: 0 });
    await ledger.close();
  });

  it("says how old the oldest event is that NATS has not acknowledged", async () => {
    const ledger = await open();
    await ledger.finish(finalOf("a"));
    nowMs += 3_000;
    expect(ledger.figures.oldestUnackedMs).toBe(3_000);
    await ledger.outbox.take(1);
    expect(ledger.figures.oldestUnackedMs).toBe(3_000);
    await ledger.close();
  });

  it("writes the end of a call that a full disk refused when there is room again, without a gap in the numbers", async () => {
    let full = false;
    const files: JournalFiles = {
      ...journalFiles,
      create: async (path, durability) => {
        const file = await journalFiles.create(path, durability);
        return {
          ...file,
          write: (buffer, offset, length, position, done) => {
            if (full) done(Object.assign(new Error("ENOSPC"), { code: "ENOSPC" }), 0);
            else file.write(buffer, offset, length, position, done);
          },
        };
      },
    };
    const ledger = await open({ files });
    await ledger.start(eventOf("a"));
    full = true;
    await expect(ledger.finish(finalOf("a"))).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
    await expect(ledger.start(eventOf("b"))).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
    expect(ledger.figures.owedEvents).toBe(1);
    full = false;
    nowMs += 1_000;
    await ledger.finish(finalOf("c"));
    await ledger.close();
    expect((await finals()).map((event) => [event.eventId, event.instanceSequence])).toEqual([
      ["c", 1n],
      ["a", 2n],
    ]);
  });

  it("says in one line why a folder cannot be used", async () => {
    await writeFile(`${folder}-file`, "");
    await expect(open({ folder: `${folder}-file` })).rejects.toThrow(
      /^the usage journal cannot be opened in .*EEXIST[^\n]*$/,
    );
    const readOnly: JournalFiles = {
      ...journalFiles,
      create: () => Promise.reject(Object.assign(new Error("EROFS: read-only file system"), { code: "EROFS" })),
    };
    await expect(open({ files: readOnly })).rejects.toThrow(
      /^the usage journal cannot be opened in .*read-only[^\n]*$/,
    );
    // The lock was given back.
    await (await open()).close();
  });

  it("keeps no lock and loses nothing when it is closed while writes are under way", async () => {
    const ledger = await open();
    const writes = Array.from({ length: 100 }, (_, index) => ledger.finish(finalOf(`event-${index}`)));
    await ledger.close();
    await Promise.all(writes);
    expect(await finals()).toHaveLength(100);
    await expect(ledger.finish(finalOf("late"))).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
    expect((await readdir(folder)).some((name) => name.startsWith("lock"))).toBe(false);
  });
});

function byOrdinal(a: string, b: string): number {
  return a.slice(-14).localeCompare(b.slice(-14));
}
