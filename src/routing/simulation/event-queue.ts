/** Virtual time: what is due first runs first; equal times run in the order in which they were set. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #sequence = 0;
  #nowMs: number;

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#sequence += 1;
    this.#heap.push({ atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence, run });
    this.#siftUp(this.#heap.length - 1);
  }

  /** Runs until nothing is left to do. */
  drain(): void {
    for (let event = this.#takeFirst(); event !== undefined; event = this.#takeFirst()) {
      this.#nowMs = event.atMs;
      event.run();
    }
  }

  #takeFirst(): Event | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first !== undefined && last !== undefined && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#siftDown();
    }
    return first;
  }

  #siftUp(from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #siftDown(): void {
    let index = 0;
    for (;;) {
      let first = index;
      for (const child of [index * 2 + 1, index * 2 + 2]) if (this.#isBefore(child, first)) first = child;
      if (first === index) return;
      this.#swap(index, first);
      index = first;
    }
  }

  #isBefore(left: number, right: number): boolean {
    const [one, other] = [this.#heap[left], this.#heap[right]];
    if (one === undefined || other === undefined) return false;
    return one.atMs === other.atMs ? one.sequence < other.sequence : one.atMs < other.atMs;
  }

  #swap(left: number, right: number): void {
    const [one, other] = [this.#heap[left], this.#heap[right]];
    if (one === undefined || other === undefined) return;
    this.#heap[left] = other;
    this.#heap[right] = one;
  }
}

type Event = { readonly atMs: number; readonly sequence: number; readonly run: () => void };
