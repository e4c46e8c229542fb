import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EventRow, type ListQuery, metrics, type SumRow } from "./index-query.ts";
import { listOfShard, mergeEvents, mergeSums } from "./merge-answers.ts";
import { formatShardCursor, parseShardCursor } from "./shard-cursor.ts";

const filter = { scope: { kind: "everything" } } as ListQuery["filter"];

/** What one index answers: newest first, behind `before`, one more than the limit. */
function answer(events: readonly EventRow[], { before, limit }: ListQuery): readonly EventRow[] {
  return events
    .filter(
      ({ timeMs, place }) =>
        before === undefined || timeMs < before.timeMs || (timeMs === before.timeMs && place < before.place),
    )
    .sort((a, b) => b.timeMs - a.timeMs || (a.place < b.place ? 1 : -1))
    .slice(0, limit + 1);
}

const shardEvents = fc
  .uniqueArray(fc.nat(40), { maxLength: 30 })
  .chain((places) => fc.tuple(...places.map((place) => fc.nat(5).map((timeMs) => ({ timeMs, place: BigInt(place) })))))
  .map((rows) => rows.map((row) => ({ ...row, payload: new Uint8Array() })));

describe("answers of several indexes", () => {
  it("give every event once, page by page, newest first", () => {
    fc.assert(
      fc.property(
        fc.array(shardEvents, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 7 }),
        (all, limit) => {
          const seen: EventRow[] = [];
          for (let before: ListQuery["before"]; ; ) {
            const query: ListQuery = { filter, limit, before };
            const answers = all.map((events, shard) => ({ shard, rows: answer(events, listOfShard(query, shard)) }));
            const rows = mergeEvents(answers, query);
            seen.push(...rows.slice(0, limit));
            const last = rows.slice(0, limit).at(-1);
            if (rows.length <= limit || last === undefined) break;
            before = { timeMs: last.timeMs, place: last.place };
          }
          expect(seen).toHaveLength(all.flat().length);
          expect(new Set(seen.map(({ place }) => place)).size).toBe(seen.length);
          const times = seen.map(({ timeMs }) => timeMs);
          expect(times).toEqual([...times].sort((a, b) => b - a));
        },
      ),
    );
  });

  it("add up rows with the same key, in the order that SQLite pages in", () => {
    const row = (value: string, requests: bigint): SumRow => ({
      bucketMs: 0,
      values: [value],
      sums: { ...(Object.fromEntries(metrics.map((name) => [name, 0n])) as SumRow["sums"]), requests },
    });
    const rows = mergeSums(
      [
        { shard: 1, rows: [row("a", 1n), row("\u{10000}", 2n)] },
        { shard: 2, rows: [row("a", 4n), row("\uffff", 8n)] },
      ],
      { limit: 10 },
    );
    expect(rows.map(({ values, sums }) => [values[0], sums.requests])).toEqual([
      ["a", 5n],
      ["\uffff", 8n],
      ["\u{10000}", 2n],
    ]);
  });

  it("have a cursor that is read as it was written, and no other text is one", () => {
    const places = fc.uniqueArray(fc.tuple(fc.nat(1023), fc.bigInt({ min: -9n, max: (1n << 63n) - 1n })), {
      selector: ([shard]) => shard,
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(places, (entries) => {
        expect(parseShardCursor(formatShardCursor(new Map(entries)))).toEqual(new Map(entries));
      }),
    );
    for (const text of [
      "",
      "w",
      "w1",
      "w1:",
      "w1:!",
      "w1024:0",
      "w1:zzzzzzzzzzzzz",
      "p1",
      `w${"1:1.".repeat(20_000)}1:1`,
    ])
      expect(parseShardCursor(text)).toBeUndefined();
  });
});
