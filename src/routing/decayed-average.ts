/** Mean of samples in which a sample counts half as much after each half-life. Time never runs backwards in it. */
export class DecayedAverage {
  readonly #halfLifeMs: number;
  #sum = 0;
  #weight = 0;
  #atMs = 0;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  add(sample: number, nowMs: number): void {
    this.#decayTo(nowMs);
    this.#sum += sample;
    this.#weight += 1;
  }

  /** `undefined`: nothing was seen, or all of it is forgotten. */
  get value(): number | undefined {
    return this.#weight > weightMin ? this.#sum / this.#weight : undefined;
  }

  /** How many samples of now the memory is worth. */
  weight(nowMs: number): number {
    this.#decayTo(nowMs);
    return this.#weight;
  }

  clear(): void {
    this.#sum = 0;
    this.#weight = 0;
  }

  #decayTo(nowMs: number): void {
    const passedMs = nowMs - this.#atMs;
    if (passedMs <= 0) return;
    this.#atMs = nowMs;
    if (this.#weight === 0) return;
    const kept = 2 ** (-passedMs / this.#halfLifeMs);
    this.#sum *= kept;
    this.#weight *= kept;
  }
}

/** About ten half-lives after a single sample: what is older says nothing. */
const weightMin = 1e-3;
