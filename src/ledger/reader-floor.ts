/** Rounds of maintenance, a second each, after which a reader that did not move counts as stuck. */
const stuckRoundsMin = 10;

/** How far segments may be deleted for the sake of their reader: it is waited for, but not for ever. */
export class ReaderFloor {
  #ordinal = Number.NaN;
  #rounds = 0;

  /**
   * The first segment to keep. Asked once in each round, with the segment that the reader is in. `isPressing`: the journal
   * is nearly full, and what is deleted is elsewhere, too.
   */
  next(ordinal: number, isPressing: boolean): number {
    this.#rounds = isPressing && ordinal === this.#ordinal ? this.#rounds + 1 : 0;
    this.#ordinal = ordinal;
    return this.#rounds >= stuckRoundsMin ? Number.POSITIVE_INFINITY : ordinal;
  }
}
