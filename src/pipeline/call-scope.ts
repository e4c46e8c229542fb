// The one place that can stop a call. Whoever waits (an attempt, a backoff) registers how to let go; the first cause wins.

/**
 * `caller`: RST or closed connection. `deadline`: the caller's time is over. `shutdown`: the drain deadline passed.
 * `hedge`: another attempt of the same call was faster.
 */
export type StopCause = "caller" | "deadline" | "shutdown" | "hedge";

/** Thrown by a wait that was stopped; never leaves the pipeline. */
export class Stopped extends Error {
  override readonly name = "Stopped";
  readonly stopCause: StopCause;

  constructor(stopCause: StopCause) {
    super(`stopped by ${stopCause}`);
    this.stopCause = stopCause;
  }
}

export class CallScope {
  #cause: StopCause | undefined;
  #isClosed = false;
  #release: ((cause: StopCause) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** On the clock of `performance.now`. */
  readonly #dueMs: number;
  #children: Set<CallScope> | undefined;

  /** `timeoutMs`: what the caller's deadline leaves; `undefined`: no deadline. */
  constructor(timeoutMs: number | undefined) {
    this.#dueMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
    if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.stop("deadline"), Math.min(timeoutMs, timerMsMax));
  }

  get cause(): StopCause | undefined {
    return this.#cause;
  }

  /** False: the call is over, or stops already for another cause. */
  stop(cause: StopCause): boolean {
    if (this.#cause !== undefined || this.#isClosed) return false;
    // A caller that keeps its deadline itself hangs up in the same instant: it has not changed its mind.
    const isDue = cause === "caller" && performance.now() >= this.#dueMs - sameInstantMs;
    this.#cause = isDue ? "deadline" : cause;
    clearTimeout(this.#timer);
    const release = this.#release;
    this.#release = undefined;
    release?.(this.#cause);
    if (this.#children !== undefined) for (const child of this.#children) child.stop(this.#cause);
    return true;
  }

  /** A scope for one of several attempts at once: it stops with this one, and can be stopped alone. */
  child(): CallScope {
    const child = new CallScope(undefined);
    this.#children ??= new Set();
    this.#children.add(child);
    if (this.#cause !== undefined) child.stop(this.#cause);
    return child;
  }

  /**
   * Registers the one current wait. A call waits for one thing at a time, so a new wait replaces the old. Ask
   * `throwIfStopped` first: a stop that came before is not told.
   */
  whenStopped(release: ((cause: StopCause) => void) | undefined): void {
    this.#release = release;
  }

  throwIfStopped(): void {
    if (this.#cause !== undefined) throw new Stopped(this.#cause);
  }

  /** The call is over: neither the deadline nor a cancel changes its outcome any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#release = undefined;
    this.#children = undefined;
  }

  /** Waits, or throws `Stopped`. */
  async sleep(ms: number): Promise<void> {
    this.throwIfStopped();
    if (ms <= 0) return;
    let timer: NodeJS.Timeout | undefined;
    const slept = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(ms, timerMsMax));
    });
    try {
      await this.until(slept);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the promise gives, or throws `Stopped`, whichever comes first. What it gives after a stop is dropped. */
  until<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      const release = (cause: StopCause): void => reject(new Stopped(cause));
      if (this.#cause === undefined) this.#release = release;
      else release(this.#cause);
      const settle = (): void => {
        if (this.#release === release) this.#release = undefined;
      };
      promise.then(
        (value) => {
          settle();
          resolve(value);
        },
        (error: Error) => {
          settle();
          reject(error);
        },
      );
    });
  }
}

/** How far the timers of two machines and the way between them may be apart. */
const sameInstantMs = 20;

/** setTimeout takes a signed 32-bit number of milliseconds; a later deadline is as good as none. */
export const timerMsMax = 2_147_483_647;
