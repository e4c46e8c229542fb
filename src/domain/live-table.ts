const slotsMin = 16;
/** Not worth the making of smaller ones. */
const slotsKept = 256;

/**
 * What is present, found by its key, for entries that come and go thousands of times a second. As a `Map`, without its chain
 * of old tables (`LiveSet` says why). Linear probing over arrays that are cleared and used again; a larger or smaller pair
 * is made only when there are more than half or less than a sixteenth as many entries as slots.
 */
export class LiveTable<Key, Value> {
  readonly #hash: (key: Key) => number;
  #keys: (Key | undefined)[] = emptySlots(slotsMin);
  #values: (Value | undefined)[] = emptySlots(slotsMin);
  #size = 0;

  /** `hash`: any 32 bits, of which the low ones should differ between keys that are present at once. */
  constructor(hash: (key: Key) => number) {
    this.#hash = hash;
  }

  get size(): number {
    return this.#size;
  }

  get(key: Key): Value | undefined {
    return this.#values[this.#slotOf(key)];
  }

  has(key: Key): boolean {
    return this.#keys[this.#slotOf(key)] !== undefined;
  }

  set(key: Key, value: Value): void {
    const slot = this.#slotOf(key);
    this.#values[slot] = value;
    if (this.#keys[slot] !== undefined) return;
    this.#keys[slot] = key;
    this.#size += 1;
    if (this.#size * 2 > this.#keys.length) this.#resize(this.#keys.length * 2);
  }

  /** Gives what stood there. */
  take(key: Key): Value | undefined {
    const slot = this.#slotOf(key);
    const value = this.#values[slot];
    if (this.#keys[slot] === undefined) return undefined;
    this.#clear(slot);
    this.#size -= 1;
    if (this.#keys.length > slotsKept && this.#size * 16 < this.#keys.length) this.#resize(this.#keys.length / 4);
    return value;
  }

  clear(): void {
    this.#keys = emptySlots(slotsMin);
    this.#values = emptySlots(slotsMin);
    this.#size = 0;
  }

  /** As they are now, in no particular order: entries may come and go while they are looked at. */
  entries(): [Key, Value][] {
    const entries: [Key, Value][] = [];
    for (let slot = 0; slot < this.#keys.length; slot++) {
      const key = this.#keys[slot];
      if (key !== undefined) entries.push([key, this.#values[slot] as Value]);
    }
    return entries;
  }

  /** Likewise. */
  values(): Value[] {
    return this.entries().map(([, value]) => value);
  }

  /** Of the key, or the free one where it would stand. There is always a free one. */
  #slotOf(key: Key): number {
    const mask = this.#keys.length - 1;
    let slot = this.#hash(key) & mask;
    while (this.#keys[slot] !== undefined && this.#keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  /** Those that follow move up, when they are found from the free slot on: no search meets a gap before its key. */
  #clear(slot: number): void {
    const mask = this.#keys.length - 1;
    let gap = slot;
    let at = slot;
    for (;;) {
      at = (at + 1) & mask;
      const key = this.#keys[at];
      if (key === undefined) break;
      const fromHome = (at - (this.#hash(key) & mask)) & mask;
      if (fromHome < ((at - gap) & mask)) continue;
      this.#keys[gap] = key;
      this.#values[gap] = this.#values[at];
      gap = at;
    }
    this.#keys[gap] = undefined;
    this.#values[gap] = undefined;
  }

  #resize(slots: number): void {
    const entries = this.entries();
    this.#keys = emptySlots(slots);
    this.#values = emptySlots(slots);
    for (const [key, value] of entries) {
      const slot = this.#slotOf(key);
      this.#keys[slot] = key;
      this.#values[slot] = value;
    }
  }
}

function emptySlots(count: number): undefined[] {
  return new Array<undefined>(count).fill(undefined);
}
