// How calls begin when more have come than one turn of the event loop should take: one of each tenant in turn, for a
// short time, and then everything else has its turn, e.g. the answers of calls that run. So a tenant that floods, or
// sends what is dear to decode, makes its own calls wait and not those of others, over however many connections it comes.

/** A call whose message is there. */
export interface Startable {
  startNow(): void;
}

/** The calls of one tenant that wait, in the order of arrival: those from `head` on. */
type Lane = { calls: Startable[]; head: number };

/**
 * Beginnings may take so long in one turn. Much longer than a turn itself costs (some 20 µs), much shorter than what callers
 * feel; some 20 small calls.
 */
const turnMs = 1;
/** Places of calls that have begun, at the front of a lane, before they are cut off. */
const gapMax = 256;

export class FairTurns {
  /** Of every tenant that ever waited: of those that are configured. */
  readonly #lanes = new Map<string, Lane>();
  /** Those with calls; whose turn is next stands first. */
  readonly #due: Lane[] = [];
  #endsMs = 0;
  #isCounting = false;

  /** At once when nobody waits and this turn has time left; else in the tenant's turn. `startNow` must not throw. */
  run(tenant: string, call: Startable): void {
    const nowMs = performance.now();
    if (!this.#isCounting) this.#count(nowMs);
    if (this.#due.length === 0 && nowMs < this.#endsMs) {
      call.startNow();
      return;
    }
    const lane = this.#laneOf(tenant);
    if (lane.calls.length === 0) this.#due.push(lane);
    lane.calls.push(call);
  }

  /** Calls that have come and not begun. */
  get waiting(): number {
    let sum = 0;
    for (const { calls, head } of this.#due) sum += calls.length - head;
    return sum;
  }

  #laneOf(tenant: string): Lane {
    let lane = this.#lanes.get(tenant);
    if (lane === undefined) {
      lane = { calls: [], head: 0 };
      this.#lanes.set(tenant, lane);
    }
    return lane;
  }

  #count(nowMs: number): void {
    this.#isCounting = true;
    this.#endsMs = nowMs + turnMs;
    setImmediate(this.#next);
  }

  readonly #next = (): void => {
    this.#isCounting = false;
    if (this.#due.length === 0) return;
    this.#count(performance.now());
    do {
      const lane = this.#due.shift();
      const call = lane === undefined ? undefined : takeFirst(lane);
      if (lane !== undefined && lane.calls.length > 0) this.#due.push(lane);
      call?.startNow();
    } while (this.#due.length > 0 && performance.now() < this.#endsMs);
  };
}

function takeFirst(lane: Lane): Startable | undefined {
  const call = lane.calls[lane.head];
  lane.head += 1;
  if (lane.head === lane.calls.length || lane.head === gapMax) {
    lane.calls = lane.calls.slice(lane.head);
    lane.head = 0;
  }
  return call;
}
