// How calls begin when more have come than one turn of the event loop should take: one from each connection in turn, for a
// short time, and then everything else has its turn, e.g. the answers of calls that run. So a connection that floods, or
// sends what is dear to decode, makes its own calls wait and not those of others.

/** A call whose message is there. */
export interface Startable {
  startNow(): void;
}

/**
 * Beginnings may take so long in one turn. Much longer than a turn itself costs (some 20 µs), much shorter than what callers
 * feel; some 20 small calls.
 */
const turnMs = 1;

export class FairTurns {
  /** By connection; whose turn is next stands first. */
  readonly #waiting = new Map<object, Startable[]>();
  #endsMs = 0;
  #isCounting = false;

  /** At once when nobody waits and this turn has time left; else in the connection's turn. `startNow` must not throw. */
  run(connection: object, call: Startable): void {
    const nowMs = performance.now();
    if (!this.#isCounting) this.#count(nowMs);
    if (this.#waiting.size === 0 && nowMs < this.#endsMs) {
      call.startNow();
      return;
    }
    const queue = this.#waiting.get(connection);
    if (queue === undefined) this.#waiting.set(connection, [call]);
    else queue.push(call);
  }

  /** Calls that have come and not begun. */
  get waiting(): number {
    let sum = 0;
    for (const queue of this.#waiting.values()) sum += queue.length;
    return sum;
  }

  #count(nowMs: number): void {
    this.#isCounting = true;
    this.#endsMs = nowMs + turnMs;
    setImmediate(this.#next);
  }

  readonly #next = (): void => {
    this.#isCounting = false;
    if (this.#waiting.size === 0) return;
    this.#count(performance.now());
    do {
      for (const [connection, queue] of this.#waiting) {
        this.#waiting.delete(connection);
        const call = queue.shift();
        if (queue.length > 0) this.#waiting.set(connection, queue);
        call?.startNow();
        break;
      }
    } while (this.#waiting.size > 0 && performance.now() < this.#endsMs);
  };
}
