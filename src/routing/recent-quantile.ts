/** 95th percentile of the last samples. Sorted again only after some new ones, since nobody needs it to the sample. */
export class RecentQuantile {
  readonly #ring = new Float64Array(ringSize);
  #seen = 0;
  #sortedAt = -1;
  #p95 = 0;

  add(sample: number): void {
    this.#ring[this.#seen % ringSize] = sample;
    this.#seen += 1;
  }

  get count(): number {
    return Math.min(this.#seen, ringSize);
  }

  /** 0 when there are no samples. */
  p95(): number {
    if (this.#sortedAt < 0 || this.#seen - this.#sortedAt >= refreshAfter) {
      const sorted = this.#ring.slice(0, this.count).sort();
      this.#p95 = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.95))] ?? 0;
      this.#sortedAt = this.#seen;
    }
    return this.#p95;
  }
}

const ringSize = 128;
const refreshAfter = 16;
