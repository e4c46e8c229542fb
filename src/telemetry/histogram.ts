/** Counts of values by upper bound, as Prometheus means it. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** One more than bounds: the last counts what lies above them all. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  /** Lines of the text format; none while nothing was observed. */
  format(name: string, labels: string): string {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) return "";
    const comma = labels === "" ? "" : ",";
    let below = 0;
    let lines = "";
    for (const [index, bound] of this.#bounds.entries()) {
      below += this.#counts[index] ?? 0;
      lines += `${name}_bucket{${labels}${comma}le="${bound}"} ${below}\n`;
    }
    const braces = labels === "" ? "" : `{${labels}}`;
    return `${lines}${name}_bucket{${labels}${comma}le="+Inf"} ${total}\n${name}_sum${braces} ${this.#sum}\n${name}_count${braces} ${total}\n`;
  }
}
