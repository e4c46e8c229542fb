// Calls that replicas share, over NATS: who has a request id is one key, taken with a create and taken over with a compare
// and set; outcomes stand beside it in pieces; what runs is read from its owner over a link.
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { KV } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import {
  type Claim,
  type ClaimedCall,
  type ClaimOutcome,
  type RequestKey,
  type ResponseKey,
  type SharedCalls,
  SharedStateError,
} from "../../domain/shared-calls.ts";
import { isWrongLastSequence } from "../wrong-last-sequence.ts";
import { type CallBuckets, isBucketFull, openCallBuckets, requestMs } from "./call-buckets.ts";
import { pieceKeyOf, requestKeyOf, responseKeyOf } from "./call-keys.ts";
import { CallLinks, defaultLinkTimes, type LinkTimes } from "./call-links.ts";
import { type ClaimRecord, formatClaim, parseClaim } from "./claim-record.ts";

export type ClusteredCallsOptions = {
  /** Called until it resolves once. Closed with these calls. */
  readonly connect: () => Promise<NatsConnection>;
  readonly onStateFailure: SharedCalls["onStateFailure"];
  /** How long a request id is remembered; for a bucket that is made here. */
  readonly rememberMs: number;
  /** Most bytes of an outcome that is kept; a larger one is its owner's alone. */
  readonly outcomeBytesMax: number;
  /** Most bytes of all of them, and of all claims; for buckets that are made here. */
  readonly outcomesBytesMax: number;
  readonly replicas?: number | undefined;
  /** A replica that was not heard for so long has died. Default 10 seconds. */
  readonly presenceMs?: number | undefined;
  readonly linkTimes?: LinkTimes | undefined;
  /** Hears that NATS cannot be asked, once until it can. */
  readonly onLost?: ((error: unknown) => void) | undefined;
};

export interface ClusteredCalls extends SharedCalls {
  /** This life of this replica. */
  readonly instance: string;
  /** Resolves after the first try to reach NATS, whatever came of it. */
  readonly tried: Promise<void>;
  /** NATS can be asked. */
  readonly isReady: boolean;
  close(): Promise<void>;
}

const limits = {
  presenceMs: 10_000,
  reconnectMs: 1_000,
  reconnectMsMax: 30_000,
  /** After NATS did not answer nobody else waits for it that long. */
  restMs: 1_000,
  /** All tries of one claim. */
  claimMsMax: 5_000,
  /** Of one piece: below the 1 MiB that a NATS server takes unless told otherwise. */
  pieceBytes: 512 << 10,
} as const;

type Open = { readonly connection: NatsConnection; readonly buckets: CallBuckets; readonly links: CallLinks };

type Seen = { readonly record: ClaimRecord | undefined; readonly revision: number };

/** Connects in the background; until NATS is there, and while it is away, everything but `withdraw` rejects at once. */
export function createClusteredCalls(options: ClusteredCallsOptions): ClusteredCalls {
  return new NatsCalls(options);
}

class NatsCalls implements ClusteredCalls {
  readonly instance = randomUUID();
  readonly tried: Promise<void>;
  readonly onStateFailure: SharedCalls["onStateFailure"];
  readonly #options: ClusteredCallsOptions;
  readonly #presenceMs: number;
  #open: Open | undefined;
  #answer: Parameters<SharedCalls["serve"]>[0] | undefined;
  #isConnected = false;
  #hasTold = false;
  /** On the clock of `performance.now`. */
  #restUntilMs = 0;
  #isClosed = false;
  #beat: NodeJS.Timeout | undefined;

  constructor(options: ClusteredCallsOptions) {
    this.#options = options;
    this.onStateFailure = options.onStateFailure;
    this.#presenceMs = options.presenceMs ?? limits.presenceMs;
    this.tried = new Promise((resolve) => {
      void this.#openForEver(resolve); // Never rejects.
    });
  }

  get isReady(): boolean {
    return this.#open !== undefined && this.#isConnected && performance.now() >= this.#restUntilMs;
  }

  async claim(key: RequestKey, call: ClaimedCall, lost: string | undefined): Promise<ClaimOutcome> {
    return this.#asked(async ({ buckets }) => {
      const untilMs = performance.now() + limits.claimMsMax;
      for (;;) {
        const outcome = await this.#tryClaim(buckets, key, call, lost);
        if (outcome !== undefined) return outcome;
        if (performance.now() > untilMs) throw new Error("the claim changes all the time");
        await wait(Math.random() * 20); // Spreads those who collide.
      }
    });
  }

  announce(key: ResponseKey): Promise<void> {
    return this.#asked(async ({ buckets }) => {
      await buckets.calls.put(responseKeyOf(key), this.instance, { timeout: requestMs });
    });
  }

  async withdraw(key: ResponseKey): Promise<void> {
    await this.#open?.buckets.calls.delete(responseKeyOf(key)).catch(() => {}); // It goes with its time.
  }

  locate(key: ResponseKey): Promise<string | undefined> {
    return this.#asked(async ({ buckets }) => {
      const entry = await buckets.calls.get(responseKeyOf(key));
      if (entry === null || entry.operation !== "PUT") return undefined;
      const owner = entry.string();
      return (await this.#lives(buckets, owner)) ? owner : undefined;
    });
  }

  isPresent(owner: string): Promise<boolean> {
    return this.#asked(({ buckets }) => this.#lives(buckets, owner));
  }

  serve(answer: Parameters<SharedCalls["serve"]>[0]): void {
    this.#answer = answer;
  }

  ask(...[owner, question, listener]: Parameters<SharedCalls["ask"]>): ReturnType<SharedCalls["ask"]> {
    if (this.#open !== undefined) return this.#open.links.ask(owner, question, listener);
    queueMicrotask(() => listener.lost());
    return { taken() {}, leave() {} };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#beat);
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    open.links.close();
    // Others need not wait until it is missed.
    if (this.#isConnected) await open.buckets.instances.delete(this.instance).catch(() => {});
    await open.connection.close();
  }

  // ── Claims ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `undefined`: somebody else was faster, and it must be tried again. */
  async #tryClaim(
    buckets: CallBuckets,
    key: RequestKey,
    call: ClaimedCall,
    lost: string | undefined,
  ): Promise<ClaimOutcome | undefined> {
    const name = requestKeyOf(key);
    const record = { owner: this.instance, ...call };
    const created = await orConflict(() => buckets.calls.create(name, formatClaim(record)));
    if (created !== undefined) return this.#ours(buckets, key, record, created);
    const seen = await read(buckets.calls, name);
    if (seen === undefined) return undefined;
    // Ours by a try whose answer was lost.
    if (seen.record?.responseId === call.responseId) return this.#ours(buckets, key, record, seen.revision);
    const held = await this.#held(buckets, key, seen.record, call, lost);
    if (held !== undefined) return held;
    const taken = await orConflict(() => buckets.calls.update(name, formatClaim(record), seen.revision, requestMs));
    return taken === undefined ? undefined : this.#ours(buckets, key, record, taken);
  }

  /** Whose the request id is; `undefined`: nobody's any more. */
  async #held(
    buckets: CallBuckets,
    { projectId }: RequestKey,
    record: ClaimRecord | undefined,
    call: ClaimedCall,
    lost: string | undefined,
  ): Promise<ClaimOutcome | undefined> {
    if (record === undefined) return undefined;
    const { owner, responseId, pieces } = record;
    if (record.digest !== call.digest) return { kind: "other-payload" };
    const isOver = pieces !== undefined;
    const isHeld = responseId !== lost && (isOver || (await this.#lives(buckets, owner)));
    if (!isHeld) return undefined;
    if (!isOver) return { kind: "running", owner, responseId };
    const outcome = await readPieces(buckets.outcomes, { projectId, responseId }, pieces);
    return outcome && { kind: "over", responseId, outcome };
  }

  #ours(buckets: CallBuckets, key: RequestKey, record: ClaimRecord, revision: number): ClaimOutcome {
    const name = requestKeyOf(key);
    const claim: Claim = {
      keep: async (outcome) => {
        if (outcome.length > this.#options.outcomeBytesMax || !this.#isConnected) return;
        try {
          const { responseId } = record;
          const pieces = await writePieces(buckets.outcomes, { projectId: key.projectId, responseId }, outcome);
          await buckets.calls.update(name, formatClaim({ ...record, pieces }), revision, requestMs);
        } catch (error) {
          // After a conflict it is another's, who took this one for dead; a full bucket is no loss of NATS.
          if (!isWrongLastSequence(error) && !isBucketFull(error)) this.#tell(error);
        }
      },
      release: async () => {
        // A claim that stays is found to be nobody's by who asks its owner.
        await buckets.calls.delete(name, { previousSeq: revision }).catch(() => {});
      },
    };
    return { kind: "ours", claim };
  }

  async #lives(buckets: CallBuckets, owner: string): Promise<boolean> {
    if (owner === this.instance) return true;
    const entry = await buckets.instances.get(owner);
    return entry?.operation === "PUT";
  }

  // ── The connection ────────────────────────────────────────────────────────────────────────────────────────────────

  async #asked<Answer>(ask: (open: Open) => Promise<Answer>): Promise<Answer> {
    if (this.#open === undefined || !this.isReady) throw new SharedStateError("NATS is away");
    try {
      const answer = await ask(this.#open);
      this.#hasTold = false;
      return answer;
    } catch (cause) {
      if (isBucketFull(cause)) throw new SharedStateError("the bucket of calls is full", { cause });
      this.#restUntilMs = performance.now() + limits.restMs;
      this.#tell(cause);
      throw new SharedStateError("NATS does not answer", { cause });
    }
  }

  #tell(error: unknown): void {
    if (this.#hasTold || this.#isClosed) return;
    this.#hasTold = true;
    this.#options.onLost?.(error);
  }

  async #openForEver(onTried: () => void): Promise<void> {
    for (let waitMs: number = limits.reconnectMs; !this.#isClosed && this.#open === undefined; ) {
      let connection: NatsConnection | undefined;
      try {
        connection = await this.#options.connect();
        if (this.#isClosed) await connection.close();
        else await this.#openWith(connection);
        onTried();
      } catch (error) {
        this.#tell(error);
        await connection?.close();
        onTried();
        await wait(waitMs, undefined, { ref: false });
        waitMs = Math.min(limits.reconnectMsMax, waitMs * 2);
      }
    }
  }

  async #openWith(connection: NatsConnection): Promise<void> {
    const buckets = await openCallBuckets(connection, { ...this.#options, presenceMs: this.#presenceMs });
    await buckets.instances.put(this.instance, "");
    const times = this.#options.linkTimes ?? defaultLinkTimes;
    const links = new CallLinks(connection, this.instance, times, () => this.#answer);
    await connection.flush(); // Whoever reads a claim of ours can ask us.
    this.#open = { connection, buckets, links };
    this.#isConnected = true;
    this.#hasTold = false;
    this.#beat = setInterval(() => void this.#renew(), this.#presenceMs / 4); // Never rejects.
    this.#beat.unref();
    void this.#watch(connection); // Ends with the connection, and does not reject.
  }

  async #renew(): Promise<void> {
    if (this.#isConnected)
      await this.#open?.buckets.instances.put(this.instance, "").catch((error) => this.#tell(error));
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === "disconnect") {
        this.#isConnected = false;
        this.#tell(new Error("NATS is away"));
      } else if (type === "reconnect") await this.#reconnected(connection);
    }
  }

  /** The server may have lost its store. */
  async #reconnected(connection: NatsConnection): Promise<void> {
    try {
      await openCallBuckets(connection, { ...this.#options, presenceMs: this.#presenceMs });
    } catch (error) {
      this.#tell(error); // Asked all the same: a user who may not make buckets finds them made.
    }
    this.#isConnected = true;
    await this.#renew();
  }
}

async function read(bucket: KV, key: string): Promise<Seen | undefined> {
  const entry = await bucket.get(key);
  if (entry === null || entry.operation !== "PUT") return undefined;
  return { record: parseClaim(entry.string()), revision: entry.revision };
}

async function writePieces(bucket: KV, key: ResponseKey, outcome: Uint8Array): Promise<number> {
  const pieces: Promise<number>[] = [];
  for (let start = 0; start < outcome.length; start += limits.pieceBytes) {
    const piece = outcome.subarray(start, start + limits.pieceBytes);
    pieces.push(bucket.put(pieceKeyOf(key, pieces.length), piece, { timeout: requestMs }));
  }
  await Promise.all(pieces);
  return pieces.length;
}

/** `undefined`: a piece is missing. */
async function readPieces(bucket: KV, key: ResponseKey, count: number): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  for (let piece = 0; piece < count; piece += 1) {
    const entry = await bucket.get(pieceKeyOf(key, piece));
    if (entry === null || entry.operation !== "PUT") return undefined;
    pieces.push(entry.value);
  }
  return Buffer.concat(pieces);
}

/** `undefined`: the key has changed meanwhile. */
async function orConflict(change: () => Promise<number>): Promise<number | undefined> {
  try {
    return await change();
  } catch (error) {
    if (isWrongLastSequence(error)) return undefined;
    throw error;
  }
}
