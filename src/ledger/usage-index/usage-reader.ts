// Answers UsageService from the index: sums, lists and the running tail of events, within what the caller may see.
import { getCompileCacheDir } from "node:module";
import { Worker } from "node:worker_threads";
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ErrorReason,
  type ListUsageEventsRequest,
  type ListUsageEventsResponse,
  ListUsageEventsResponseSchema,
  type QueryUsageRequest,
  type QueryUsageResponse,
  QueryUsageResponseSchema,
  UsageDimension,
  type UsageEvent,
  UsageEventSchema,
  UsageInterval,
  type UsageRow,
  UsageRowSchema,
  type WatchUsageEventsRequest,
  type WatchUsageEventsResponse,
  WatchUsageEventsResponseSchema,
} from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { unreachable } from "../../domain/unreachable.ts";
import type { UsageLedger } from "../ledger.ts";
import { eventsOf, foundOf, placeOf, rowsOf, tailOf } from "./answers.ts";
import type { Dimension, IndexFilter, Interval, SumQuery, SumRow } from "./index-query.ts";
import type { WorkerQuestion, WorkerReply, WorkerRequest } from "./index-worker.ts";
import { fromPageToken, toPageToken } from "./page-token.ts";
import { toIndexFilter } from "./to-index-filter.ts";
import { toQuestionCallFailure } from "./to-question-call-failure.ts";
import type { UsageScope } from "./usage-scope.ts";
import { allShards, askAll, type UsageSiblings } from "./usage-siblings.ts";
import { watchShards } from "./watch-shards.ts";

export type UsageReaderOptions = {
  /** File of the index; made when absent. */
  readonly path: string;
  /** Silence in a watch after which a heartbeat is sent. Default 15 s. */
  readonly heartbeatMs?: number | undefined;
  /** The indexes of other journals, which answers are about, too. Default: none. */
  readonly siblings?: UsageSiblings | undefined;
};

export type Found = { readonly event: UsageEvent; readonly correction: UsageEvent | undefined };

type Waiting = { readonly resolve: (answer: unknown) => void; readonly reject: (error: Error) => void };

const heartbeatMsDefault = 15_000;
/** The index is brought up to date this often while nobody asks. */
const catchUpMs = 1_000;
/** Shortest time between two looks of a watch. */
const watchPauseMs = 50;
const tailMax = 256;
/** Questions that wait for the thread; past it they are refused. */
const waitingMax = 256;
const overloadedRetryMs = 1_000;

const dimensionNames = new Map<UsageDimension, Dimension>([
  [UsageDimension.PROJECT, "project"],
  [UsageDimension.KEY, "key"],
  [UsageDimension.TEAM, "team"],
  [UsageDimension.END_USER, "end_user"],
  [UsageDimension.MODEL, "model"],
  [UsageDimension.PROVIDER, "provider"],
  [UsageDimension.OPERATION, "operation"],
  [UsageDimension.OUTCOME, "outcome"],
]);
const intervalNames = new Map<UsageInterval, Interval>([
  [UsageInterval.UNSPECIFIED, "all"],
  [UsageInterval.MINUTE, "minute"],
  [UsageInterval.HOUR, "hour"],
  [UsageInterval.DAY, "day"],
  [UsageInterval.MONTH, "month"],
]);

export class UsageReader {
  readonly #ledger: UsageLedger;
  readonly #options: UsageReaderOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #nextId = 1;
  #ordinal = 0;
  #closed = false;
  #behind = true;
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;

  /** Begins to read the journal when it is first asked, or a second later: a start has better uses for its cores. */
  constructor(ledger: UsageLedger, options: UsageReaderOptions) {
    this.#ledger = ledger;
    this.#options = options;
    ledger.keepFrom(() => this.#ordinal);
    this.#unsubscribe = ledger.onAdvance(() => {
      this.#behind = true;
    });
    this.#timer = setInterval(() => this.#catchUp(), catchUpMs);
    this.#timer.unref();
  }

  /**
   * Rejects with `CallFailure`: INVALID_REQUEST for a dimension, interval or token that is none, or for more groups than can
   * be told apart; DEADLINE_EXCEEDED when it takes too long, or when `signal` aborts.
   */
  async query(scope: UsageScope, request: QueryUsageRequest, signal?: AbortSignal): Promise<QueryUsageResponse> {
    const filter = toIndexFilter(scope, request.filter);
    const interval = known(intervalNames, request.interval, "interval");
    const groupBy = request.groupBy.map((dimension) => known(dimensionNames, dimension, "group_by"));
    const question = { filter, groupBy, groupByLabels: request.groupByLabels, interval };
    const limit = pageSize(request.pageSize, 1_000, 10_000);
    const after = rowKey(fromPageToken(question, request.pageToken));
    const rows = rowsOf(await this.#askAll({ kind: "sum", query: { ...question, limit, after } }, signal));
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const more = rows.length > limit && last !== undefined;
    return create(QueryUsageResponseSchema, {
      rows: page.map((row) => toUsageRow(row, question)),
      nextPageToken: more ? toPageToken(question, [last.bucketMs, ...last.values]) : "",
    });
  }

  /** Newest first. Rejects with `CallFailure`: INVALID_REQUEST for a token that is none, and as `query` does. */
  async list(
    scope: UsageScope,
    request: ListUsageEventsRequest,
    signal?: AbortSignal,
  ): Promise<ListUsageEventsResponse> {
    const filter = toIndexFilter(scope, request.filter);
    const limit = pageSize(request.pageSize, 100, 1_000);
    const [timeMs, place] = fromPageToken(filter, request.pageToken) ?? [];
    const before = timeMs === undefined ? undefined : { timeMs: Number(timeMs), place: BigInt(String(place)) };
    const events = eventsOf(await this.#askAll({ kind: "list", query: { filter, limit, before } }, signal));
    const page = events.slice(0, limit);
    const last = page.at(-1);
    const more = events.length > limit && last !== undefined;
    return create(ListUsageEventsResponseSchema, {
      events: page.map((row) => fromBinary(UsageEventSchema, row.payload)),
      nextPageToken: more ? toPageToken(filter, [last.timeMs, String(last.place)]) : "",
    });
  }

  /**
   * Events after the cursor, or from now on, as they become durable; a message without an event after each silence. Ends
   * when `signal` aborts or the reader closes.
   */
  async *watch(
    scope: UsageScope,
    request: WatchUsageEventsRequest,
    signal: AbortSignal,
  ): AsyncGenerator<WatchUsageEventsResponse, void, undefined> {
    const filter = toIndexFilter(scope, request.filter);
    if (this.#options.siblings !== undefined) {
      yield* this.#watchAll(this.#options.siblings, filter, request.cursor, signal);
      return;
    }
    let after = request.cursor === "" ? placeOf(await this.#ask({ kind: "catch-up" })) : fromCursor(request.cursor);
    let saidAtMs = performance.now();
    const heartbeatMs = this.#options.heartbeatMs ?? heartbeatMsDefault;
    // The first message gives the cursor at once: a watcher that is cut off early can go on without a hole.
    yield create(WatchUsageEventsResponseSchema, { cursor: toCursor(after) });
    while (!signal.aborted && !this.#closed) {
      const tail = tailOf(await this.#ask({ kind: "tail", query: { filter, limit: tailMax, after } }));
      for (const row of tail.events) {
        yield create(WatchUsageEventsResponseSchema, {
          event: fromBinary(UsageEventSchema, row.payload),
          cursor: toCursor(row.place),
        });
        saidAtMs = performance.now();
      }
      if (tail.end > after) after = tail.end;
      if (tail.events.length === tailMax) continue;
      const leftMs = saidAtMs + heartbeatMs - performance.now();
      if (leftMs <= 0) {
        saidAtMs = performance.now();
        yield create(WatchUsageEventsResponseSchema, { cursor: toCursor(after) });
      }
      await this.#advance(Math.max(watchPauseMs, Math.min(leftMs, heartbeatMs)), signal);
    }
  }

  /** An event of this journal, and the one that has replaced it; `undefined`: it has none of this id. */
  async find(eventId: string): Promise<Found | undefined> {
    const found = foundOf(await this.#ask({ kind: "find", eventId }));
    if (found === undefined) return undefined;
    const { event, correction } = found;
    return {
      event: fromBinary(UsageEventSchema, event),
      correction: correction === undefined ? undefined : fromBinary(UsageEventSchema, correction),
    };
  }

  /** Ends the thread; questions that wait are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#unsubscribe();
    const worker = this.#worker;
    this.#worker = undefined;
    this.#failAll(
      new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the gateway is stopping", { retryAfterMs: overloadedRetryMs }),
    );
    await worker?.terminate();
  }

  /** What this journal's index says to a question of another one. Rejects with `CallFailure`. */
  ask(question: WorkerQuestion): Promise<unknown> {
    return this.#ask(question);
  }

  #askAll(question: Parameters<typeof askAll>[0], signal: AbortSignal | undefined): Promise<unknown> {
    return askAll(question, this.#options.siblings, (own) => this.#ask(own, signal));
  }

  async *#watchAll(siblings: UsageSiblings, filter: IndexFilter, cursor: string, signal: AbortSignal) {
    yield* watchShards({
      shards: await allShards(siblings, (own) => this.#ask(own)),
      filter,
      cursor,
      heartbeatMs: this.#options.heartbeatMs ?? heartbeatMsDefault,
      isOver: () => signal.aborted || this.#closed,
      pause: (milliseconds) => this.#advance(milliseconds, signal),
    });
  }

  #catchUp(): void {
    if (!this.#behind || this.#waiting.size > 0) return;
    this.#behind = false;
    this.#ask({ kind: "catch-up" }).catch(() => {
      this.#behind = true; // Tried again a second later; a question that fails says so itself.
    });
  }

  #ask(question: WorkerQuestion, signal?: AbortSignal): Promise<unknown> {
    if (this.#closed || this.#waiting.size >= waitingMax) {
      const message = this.#closed ? "the gateway is stopping" : "too many questions about usage are waiting";
      return Promise.reject(
        new CallFailure(ErrorReason.GATEWAY_OVERLOADED, message, { retryAfterMs: overloadedRetryMs }),
      );
    }
    const id = this.#nextId;
    this.#nextId += 1;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    this.#send({ kind: "ask", id, segments: this.#ledger.segments, question });
    const giveUp = (): void => this.#send({ kind: "give-up", id });
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted === true) giveUp();
    return promise.finally(() => signal?.removeEventListener("abort", giveUp));
  }

  #send(request: WorkerRequest): void {
    this.#started().postMessage(request);
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./index-worker.ts", import.meta.url), {
      workerData: this.#options.path,
      env: withCompileCache(),
      // It works through a journal in batches: a large young generation would only be memory that it does not need.
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
    });
    worker.on("message", (reply: WorkerReply) => this.#onReply(reply));
    worker.on("error", (error) => this.#onEnd(worker, error));
    worker.on("exit", () => this.#onEnd(worker, new Error("the thread of the usage index ended")));
    this.#worker = worker;
    return worker;
  }

  #onReply(reply: WorkerReply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    this.#waiting.delete(reply.id);
    switch (reply.kind) {
      case "answer":
        this.#ordinal = reply.ordinal;
        waiting.resolve(reply.answer);
        return;
      case "refusal":
        waiting.reject(toQuestionCallFailure(reply.because, reply.source));
        return;
      case "failure":
        waiting.reject(new CallFailure(ErrorReason.INTERNAL, "the usage index failed", { cause: reply.message }));
        return;
      default:
        unreachable(reply);
    }
  }

  /** The next question starts another thread. */
  #onEnd(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#failAll(new CallFailure(ErrorReason.INTERNAL, "the usage index failed", { cause: error }));
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  /** Resolves when events became durable, but not before a short pause, or when the time is over. */
  #advance(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let advanced = false;
      let early = true;
      const end = (): void => {
        clearTimeout(timer);
        clearTimeout(pause);
        stop();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      const pause = setTimeout(() => {
        early = false;
        if (advanced) end();
      }, watchPauseMs);
      const stop = this.#ledger.onAdvance(() => {
        advanced = true;
        if (!early) end();
      });
      signal.addEventListener("abort", end);
      if (signal.aborted) end();
    });
  }
}

/** A thread does not have the cache of compiled code of its process, and would strip and compile all anew at each start. */
function withCompileCache(): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  return folder === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: folder };
}

function toUsageRow(row: SumRow, query: Pick<SumQuery, "groupBy" | "groupByLabels" | "filter" | "interval">): UsageRow {
  const { sums } = row;
  const bucketMs = query.interval === "all" ? query.filter.fromMs : row.bucketMs;
  const labels = query.groupByLabels.map((name, index) => [name, row.values[query.groupBy.length + index] ?? ""]);
  return create(UsageRowSchema, {
    ...(bucketMs === undefined ? {} : { bucketStartTime: timestampFromMs(bucketMs) }),
    dimensions: Object.fromEntries(query.groupBy.map((name, index) => [name, row.values[index] ?? ""])),
    labels: Object.fromEntries(labels),
    requestCount: sums.requests,
    errorCount: sums.errors,
    responseCacheHitCount: sums.cache_hits,
    inputTokens: sums.input_tokens,
    outputTokens: sums.output_tokens,
    cacheReadInputTokens: sums.cache_read_tokens,
    cacheWriteInputTokens: sums.cache_write_tokens,
    reasoningOutputTokens: sums.reasoning_tokens,
    costNanoUsd: sums.cost,
    savedNanoUsd: sums.saved,
    durationMs: sums.duration_ms,
    reportedCostNanoUsd: sums.reported_cost,
    comparedCostNanoUsd: sums.compared_cost,
  });
}

function known<Key, Name>(names: ReadonlyMap<Key, Name>, key: Key, field: string): Name {
  const name = names.get(key);
  if (name !== undefined) return name;
  throw invalid(field, `has no value ${String(key)}`);
}

function invalid(field: string, description: string): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, `${field} ${description}`, {
    violations: [{ field, description }],
  });
}

function pageSize(asked: number, usual: number, max: number): number {
  return asked <= 0 ? usual : Math.min(asked, max);
}

function rowKey(key: readonly unknown[] | undefined): SumQuery["after"] {
  if (key === undefined) return undefined;
  const [bucketMs, ...values] = key;
  return [Number(bucketMs), ...values.map(String)];
}

/** A cursor is a place of the journal in base 36. */
function toCursor(place: bigint): string {
  return `p${place.toString(36)}`;
}

function fromCursor(cursor: string): bigint {
  if (!/^p-?[0-9a-z]{1,13}$/.test(cursor)) throw invalid("cursor", "is not a cursor of this service");
  const negative = cursor[1] === "-";
  let place = 0n;
  for (const digit of cursor.slice(negative ? 2 : 1)) place = place * 36n + BigInt(Number.parseInt(digit, 36));
  if (place > 0x7fff_ffff_ffff_ffffn) throw invalid("cursor", "is not a cursor of this service");
  return negative ? -place : place;
}
