/** Whether calls are wanted. Read by health, readiness and the port; changed once, when the server closes. */
export class ServingState {
  readonly #isReady: () => boolean;
  readonly #drain = new AbortController();

  /** `isReady` must not throw; it is asked at every probe. */
  constructor(isReady: () => boolean) {
    this.#isReady = isReady;
  }

  get isServing(): boolean {
    return !this.isDraining && this.#isReady();
  }

  get isDraining(): boolean {
    return this.#drain.signal.aborted;
  }

  /** Aborts when draining begins: what would never end by itself ends then. */
  get drainSignal(): AbortSignal {
    return this.#drain.signal;
  }

  drain(): void {
    this.#drain.abort();
  }
}
