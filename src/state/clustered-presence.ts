// Presence over NATS: one record in JetStream KV that every instance writes its sign of life into by compare-and-set. An
// instance whose sign could not be written for a while stops using its share before the others take it for gone.
import { setTimeout as wait } from "node:timers/promises";
import type { KV } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Crowded, Presence } from "../domain/presence.ts";
import { compareAndSet, openAccountsBucket } from "./accounts-bucket.ts";
import {
  emptyRoster,
  formatRoster,
  parseRoster,
  partOf,
  type Roster,
  shareIn,
  withBeat,
  withMember,
  withoutMember,
} from "./roster.ts";

export type ClusteredPresenceOptions = {
  /** Called until it resolves once. The presence closes the connection. */
  readonly connect: () => Promise<NatsConnection>;
  readonly replicas?: number | undefined;
  /** Names this life of this instance. */
  readonly holder: string;
  /** Calls in flight by gate, and how many slots the gate has over all instances. */
  readonly inUse: () => Iterable<Crowded & { readonly total: number }>;
  /** Hears that signs of life cannot be written, once each time. */
  readonly onLost?: ((error: unknown) => void) | undefined;
  readonly times?: Partial<PresenceTimes> | undefined;
};

export type PresenceTimes = {
  /** Between signs of life. */
  readonly beatMs: number;
  /** Without a sign of its own an instance stops using its share after this, and is taken for gone after that. */
  readonly cutOffMs: number;
  readonly goneMs: number;
};

export interface RunningPresence extends Presence {
  /** Resolves when this instance has its share, or after so long. */
  settled(msMax: number): Promise<void>;
  /** Leaves the list. Never rejects. */
  close(): Promise<void>;
}

export const presenceTimes: PresenceTimes = { beatMs: 1_000, cutOffMs: 6_000, goneMs: 10_000 };

const rosterKey = "roster";
const triesMax = 20;
const retryMsMax = 50;

type Life = { readonly beat: number; readonly atMs: number };

export class ClusteredPresence implements RunningPresence {
  readonly #options: ClusteredPresenceOptions;
  readonly #times: PresenceTimes;
  readonly #lives = new Map<string, Life>();
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  readonly #onShare = Promise.withResolvers<void>();
  #connection: NatsConnection | undefined;
  #bucket: KV | undefined;
  /** As it was written last by this instance. */
  #roster: Roster = emptyRoster;
  /** Being written: what it takes from this instance counts already. */
  #next: Roster | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #writtenWallMs = Number.NEGATIVE_INFINITY;
  /** After it was taken for gone, others may still see a list without it. */
  #notBeforeMs = 0;
  #isLost = false;

  constructor(options: ClusteredPresenceOptions) {
    this.#options = options;
    this.#times = { ...presenceTimes, ...options.times };
    this.#running = this.#run();
  }

  get instances(): number {
    return Math.max(1, this.#roster.members.length);
  }

  share(total: number, gate: string): number | undefined {
    // A machine that slept has a steady clock that slept too.
    const silentMs = Math.max(performance.now() - this.#writtenMs, Date.now() - this.#writtenWallMs);
    if (silentMs > this.#times.cutOffMs) return undefined;
    return performance.now() < this.#notBeforeMs ? 0 : this.lastShare(total, gate);
  }

  lastShare(total: number, gate: string): number {
    const { holder } = this.#options;
    const share = shareIn(this.#roster, holder, total, gate);
    return this.#next === undefined ? share : Math.min(share, ownPart(this.#next, holder, total));
  }

  async settled(msMax: number): Promise<void> {
    await Promise.race([this.#onShare.promise, wait(msMax, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
    try {
      await this.#change((roster) => withoutMember(roster, this.#options.holder));
    } catch {
      // NATS is away: the others leave this instance out after its silence.
    }
    await this.#connection?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#beat();
        this.#isLost = false;
      } catch (error) {
        if (!this.#isLost) this.#options.onLost?.(error);
        this.#isLost = true;
      }
      await wait(this.#times.beatMs, undefined, { ref: false, signal }).catch(() => {}); // The end is no failure.
    }
  }

  async #beat(): Promise<void> {
    const { holder } = this.#options;
    const wasMember = this.#roster.members.some(({ id }) => id === holder);
    // What is measured from is the moment before the sign was sent: nobody can have seen it earlier.
    const sentMs = performance.now();
    const sentWallMs = Date.now();
    const written = await this.#change((roster) => {
      const isGone = wasMember && !roster.members.some(({ id }) => id === holder);
      if (isGone) this.#notBeforeMs = performance.now() + this.#times.goneMs;
      const next = withMember(roster, holder, this.#goneFrom(roster));
      this.#next = next; // From here on no call is let in that the new list has no room for.
      return withBeat(next, holder, this.#crowdedIn(next));
    });
    this.#roster = written;
    this.#next = undefined;
    this.#writtenMs = sentMs;
    this.#writtenWallMs = sentWallMs;
    if (shareIn(written, holder, written.members.length, "") > 0) this.#onShare.resolve();
  }

  /** Members that have given no sign of life for so long, by our own clock. */
  #goneFrom(roster: Roster): ReadonlySet<string> {
    const nowMs = performance.now();
    const gone = new Set<string>();
    for (const { id, beat } of roster.members) {
      const known = this.#lives.get(id);
      if (known?.beat !== beat) this.#lives.set(id, { beat, atMs: nowMs });
      else if (nowMs - known.atMs >= this.#times.goneMs) gone.add(id);
    }
    for (const id of this.#lives.keys()) {
      if (!roster.members.some((member) => member.id === id)) this.#lives.delete(id);
    }
    return gone;
  }

  #crowdedIn(roster: Roster): readonly Crowded[] {
    const crowded: Crowded[] = [];
    for (const { gate, inUse, total } of this.#options.inUse()) {
      if (inUse > ownPart(roster, this.#options.holder, total)) crowded.push({ gate, inUse });
    }
    return crowded;
  }

  async #change(change: (roster: Roster) => Roster): Promise<Roster> {
    const bucket = await this.#open();
    for (let tries = 0; tries < triesMax; tries++) {
      const entry = await bucket.get(rosterKey);
      const isThere = entry !== null && entry.operation === "PUT";
      const next = change(isThere ? parseRoster(entry.string()) : emptyRoster);
      const revision = isThere ? entry.revision : 0;
      if ((await compareAndSet(bucket, rosterKey, formatRoster(next), revision)) !== undefined) return next;
      await wait(Math.random() * retryMsMax);
    }
    throw new Error("too many instances change the list at once");
  }

  async #open(): Promise<KV> {
    this.#connection ??= await this.#options.connect();
    this.#bucket ??= await openAccountsBucket(this.#connection, true, this.#options.replicas);
    return this.#bucket;
  }
}

function ownPart({ members }: Roster, holder: string, total: number): number {
  const place = members.findIndex(({ id }) => id === holder);
  return place === -1 ? 0 : partOf(total, place, members.length);
}
