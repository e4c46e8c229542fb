// How calls begin, and how those that failed end, when more have come than one turn of the event loop should take: one of
// each tenant in turn, for a short time, and then everything else has its turn, e.g. the answers of calls that run. So a
// tenant that floods, or sends what is dear to decode, makes its own calls wait and not those of others, over however many
// connections it comes. A call needs some eight turns of the event loop from its first byte to its last: so, while more than
// one tenant has calls under way, turns are followed by as much time without any.

/** A call whose message is there, or whose failure is to be told. */
export interface Startable {
  startNow(): void;
}

/** The calls of one tenant. */
type Lane = {
  /** Those that wait, in the order of arrival: from `head` on. */
  calls: Startable[];
  head: number;
  /** Under way, whether they wait or not. */
  underWay: number;
};

/** The event loop, as far as it is needed. */
export type Loop = {
  nowMs(): number;
  /** When everything else has had its turn. */
  next(run: () => void): void;
  after(ms: number, run: () => void): void;
};

const eventLoop: Loop = {
  nowMs: () => performance.now(),
  next: setImmediate,
  after: (ms, run) => void setTimeout(run, ms),
};

/**
 * They may take so long in one turn. Longer than a turn itself costs (some 20 µs), much shorter than what callers feel; some
 * five small calls.
 */
const turnMs = 0.25;
/** What turns have taken is paid back in rests of so long at least: a timer knows whole milliseconds only. */
const restMsMin = 1;
/** No rest is longer, whatever is owed: the others' calls do not begin in it either. */
const restMsMax = 20;
/** Places of calls that have begun, at the front of a lane, before they are cut off. */
const gapMax = 256;

export class FairTurns {
  readonly #loop: Loop;
  /** Of every tenant that ever came: of those that are configured. */
  readonly #lanes = new Map<string, Lane>();
  /** Those with calls that wait; whose turn is next stands first. */
  readonly #due: Lane[] = [];
  #tenantsUnderWay = 0;
  #endsMs = 0;
  #isCounting = false;
  /** Time that turns have taken, less what everything else has had since; up to when it is counted. */
  #owedMs = 0;
  #countedMs = 0;

  constructor(loop: Loop = eventLoop) {
    this.#loop = loop;
  }

  /** A call of the tenant is under way until `leave`. */
  enter(tenant: string): void {
    const lane = this.#laneOf(tenant);
    if (lane.underWay === 0) this.#tenantsUnderWay += 1;
    lane.underWay += 1;
  }

  leave(tenant: string): void {
    const lane = this.#laneOf(tenant);
    lane.underWay -= 1;
    if (lane.underWay === 0) this.#tenantsUnderWay -= 1;
  }

  /** At once when nobody waits and this turn has time left; else in the tenant's turn. `startNow` must not throw. */
  run(tenant: string, call: Startable): void {
    const nowMs = this.#loop.nowMs();
    if (!this.#isCounting) this.#count(nowMs);
    if (this.#due.length === 0 && nowMs < this.#endsMs) {
      call.startNow();
      this.#took(nowMs);
      return;
    }
    const lane = this.#laneOf(tenant);
    if (lane.calls.length === 0) this.#due.push(lane);
    lane.calls.push(call);
  }

  /** What was begun will take so long outside of turns, and counts as if it were done in this one. */
  owe(ms: number): void {
    this.#owedMs += ms;
    this.#endsMs -= ms;
  }

  /** Calls that wait. */
  get waiting(): number {
    let sum = 0;
    for (const { calls, head } of this.#due) sum += calls.length - head;
    return sum;
  }

  #laneOf(tenant: string): Lane {
    let lane = this.#lanes.get(tenant);
    if (lane === undefined) {
      lane = { calls: [], head: 0, underWay: 0 };
      this.#lanes.set(tenant, lane);
    }
    return lane;
  }

  /** A turn begins, or a rest that ends with one. */
  #count(nowMs: number): void {
    this.#isCounting = true;
    this.#passed(nowMs);
    // Who is alone owes nobody anything.
    this.#owedMs = this.#tenantsUnderWay < 2 ? 0 : Math.min(this.#owedMs, restMsMax);
    const mustRest = this.#owedMs >= restMsMin;
    this.#endsMs = mustRest ? 0 : nowMs + turnMs;
    if (mustRest) this.#loop.after(this.#owedMs, this.#next);
    else this.#loop.next(this.#next);
  }

  readonly #next = (): void => {
    this.#isCounting = false;
    if (this.#due.length === 0) return;
    let nowMs = this.#loop.nowMs();
    this.#count(nowMs);
    while (this.#due.length > 0 && nowMs < this.#endsMs) {
      const lane = this.#due.shift();
      const call = lane === undefined ? undefined : takeFirst(lane);
      if (lane !== undefined && lane.calls.length > 0) this.#due.push(lane);
      call?.startNow();
      nowMs = this.#took(nowMs);
    }
  };

  #took(sinceMs: number): number {
    this.#passed(sinceMs);
    const nowMs = this.#loop.nowMs();
    this.#owedMs += nowMs - this.#countedMs;
    this.#countedMs = nowMs;
    return nowMs;
  }

  /** Everything else has had the time until then, unless it is counted: a call that begins may let another one fail. */
  #passed(untilMs: number): void {
    if (untilMs <= this.#countedMs) return;
    this.#owedMs = Math.max(0, this.#owedMs - (untilMs - this.#countedMs));
    this.#countedMs = untilMs;
  }
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
