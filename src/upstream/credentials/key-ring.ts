// Which of several API keys to use. The first that is in good standing; one that was rate-limited or refused stands back
// for a while. With none in good standing, the one whose time is up first: the provider may have changed its mind, and
// one key alone is never kept from its provider by us. Time comes in as an argument.

const rateLimitedMs = 30_000;
const retiredMs = 5 * 60_000;

type Standing = { backAtMs: number; value: string | undefined };

export class KeyRing {
  readonly #standings: readonly Standing[];

  constructor(keys: number) {
    this.#standings = Array.from({ length: keys }, () => ({ backAtMs: 0, value: undefined }));
  }

  /** Places of the keys, best first. */
  order(nowMs: number): readonly number[] {
    const waits = this.#standings.map(({ backAtMs }, index) => ({ index, waitMs: Math.max(0, backAtMs - nowMs) }));
    return waits.sort((one, other) => one.waitMs - other.waitMs || one.index - other.index).map(({ index }) => index);
  }

  /** Best place, without the order of all others. */
  best(nowMs: number): number {
    const healthy = this.#standings.findIndex(({ backAtMs }) => backAtMs <= nowMs);
    return healthy >= 0 ? healthy : (this.order(nowMs)[0] ?? 0);
  }

  /** The key at a place is this; another value than before is a new key, in good standing. */
  used(index: number, value: string): void {
    const standing = this.#standings[index];
    if (standing === undefined || standing.value === value) return;
    standing.backAtMs = 0;
    standing.value = value;
  }

  /** Puts a key back; gives its place and until when, or `undefined` when it is no longer in use. */
  refused(
    value: string,
    because: "credentials-rejected" | "rate-limited",
    nowMs: number,
  ): { readonly index: number; readonly untilMs: number } | undefined {
    const index = this.#standings.findIndex((standing) => standing.value === value);
    const standing = this.#standings[index];
    if (standing === undefined) return undefined;
    const untilMs = nowMs + (because === "rate-limited" ? rateLimitedMs : retiredMs);
    standing.backAtMs = Math.max(standing.backAtMs, untilMs);
    return { index, untilMs };
  }

  /** Every key is in good standing again, as after a reload by the operator. */
  forgive(): void {
    for (const standing of this.#standings) standing.backAtMs = 0;
  }
}
