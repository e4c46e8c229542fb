// The running tail of events over several journals. Within one journal the order is kept; between them, events come as
// they are found. An event that is told once is behind the cursor that came with it.
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  ErrorReason,
  UsageEventSchema,
  type WatchUsageEventsResponse,
  WatchUsageEventsResponseSchema,
} from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { placeOf, tailOf } from "./answers.ts";
import type { IndexFilter } from "./index-query.ts";
import { beginning, formatShardCursor, parseShardCursor } from "./shard-cursor.ts";
import type { UsageShard } from "./usage-siblings.ts";

export type ShardWatch = {
  readonly shards: readonly UsageShard[];
  readonly filter: IndexFilter;
  /** "": from now on. A cursor of one journal alone is of the folder that it was given by: shard 0. */
  readonly cursor: string;
  readonly heartbeatMs: number;
  readonly isOver: () => boolean;
  readonly pause: (milliseconds: number) => Promise<void>;
};

const limits = { tailMax: 256, pauseMs: 100 } as const;

export async function* watchShards(watch: ShardWatch): AsyncGenerator<WatchUsageEventsResponse, void, undefined> {
  const places = await placesOf(watch);
  let saidAtMs = performance.now();
  const message = (event?: Uint8Array): WatchUsageEventsResponse => {
    saidAtMs = performance.now();
    const cursor = formatShardCursor(places);
    if (event === undefined) return create(WatchUsageEventsResponseSchema, { cursor });
    return create(WatchUsageEventsResponseSchema, { event: fromBinary(UsageEventSchema, event), cursor });
  };
  yield message(); // The cursor at once, as with one journal.
  while (!watch.isOver()) {
    let isMore = false;
    for (const shard of watch.shards) {
      const tail = await tailIn(shard, watch.filter, places.get(shard.shard) ?? beginning);
      if (tail === undefined) continue;
      for (const row of tail.events) {
        places.set(shard.shard, row.place);
        yield message(row.payload);
      }
      places.set(shard.shard, tail.end);
      isMore ||= tail.events.length === limits.tailMax;
    }
    if (performance.now() - saidAtMs >= watch.heartbeatMs) yield message();
    if (!isMore) await watch.pause(limits.pauseMs);
  }
}

/** `undefined`: it cannot be asked just now. Its events keep their place and come later. */
async function tailIn({ ask }: UsageShard, filter: IndexFilter, after: bigint) {
  try {
    const tail = tailOf(await ask({ kind: "tail", query: { filter, limit: limits.tailMax, after } }));
    return { events: tail.events, end: tail.end > after ? tail.end : after };
  } catch {
    return undefined;
  }
}

async function placesOf({ shards, cursor }: ShardWatch): Promise<Map<number, bigint>> {
  if (cursor !== "")
    return new Map(parseShardCursor(cursor.startsWith("p") ? `w0:${cursor.slice(1)}` : cursor) ?? none());
  const ends = shards.map(async ({ shard, ask }) => [shard, placeOf(await ask({ kind: "catch-up" }))] as const);
  return new Map(await Promise.all(ends));
}

function none(): never {
  const description = "is not a cursor of this service";
  throw new CallFailure(ErrorReason.INVALID_REQUEST, `cursor ${description}`, {
    violations: [{ field: "cursor", description }],
  });
}
