/** Which deployment served a conversation last, and how much of it: what its prompt cache probably holds. Bounded. */
export class AffinityMemory {
  readonly #entriesMax: number;
  readonly #rememberMs: number;
  readonly #served = new Map<
    string,
    { readonly deployment: string; readonly inputTokens: number; readonly atMs: number }
  >();

  constructor(entriesMax: number, rememberMs: number) {
    this.#entriesMax = entriesMax;
    this.#rememberMs = rememberMs;
  }

  served(key: string, deployment: string, inputTokens: number, nowMs: number): void {
    this.#served.delete(key); // A map keeps the order of insertion: the first key is the one unused for longest.
    if (this.#served.size >= this.#entriesMax) {
      const oldest = this.#served.keys().next();
      if (oldest.done !== true) this.#served.delete(oldest.value);
    }
    this.#served.set(key, { deployment, inputTokens, atMs: nowMs });
  }

  /** `undefined`: nobody, or too long ago. */
  lastServed(key: string, nowMs: number): { readonly deployment: string; readonly inputTokens: number } | undefined {
    const entry = this.#served.get(key);
    return entry !== undefined && nowMs - entry.atMs <= this.#rememberMs ? entry : undefined;
  }
}
