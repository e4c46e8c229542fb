// The money of one streamed attempt under a budget. The count of what was generated runs ahead of the bill: before the
// reservation is used up more is asked for, and while the answer is under way reading stops rather than run past it. A
// chunk costs one comparison.
import type { Usage } from "../contract.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { AttemptSpending } from "./call-spending.ts";
import { charactersOfTokens } from "./estimated-usage.ts";

export type StreamSpendingPorts = {
  /** What the attempt has consumed so far, of which `outputTokens` is always known. */
  readonly usage: () => Usage;
  /** Nano-USD of a usage at this target. */
  readonly costOf: (usage: Usage) => bigint;
  /** Output tokens that the provider will not pass; `undefined`: nobody limits it. */
  readonly outputTokensMost: number | undefined;
  /** More is reserved: reading may go on. */
  readonly resume: () => void;
  /** The budget has no more: the attempt ends. */
  readonly end: (reason: Error) => void;
  /** Milliseconds, never going back. */
  readonly nowMs: () => number;
};

/** More is asked for when less than this is left, in output tokens, and four times as much at once. */
const aheadTokensLeast = 1_024;
/** Kept free, since what a provider has sent cannot be unsent: this, or what three of the largest pieces so far brought. */
const marginTokensLeast = 64;
/** Hidden reasoning has no characters, only perhaps a count of the provider: that is looked at as often as this. */
const lookEveryMs = 1_000;

export class StreamSpending {
  /** Characters generated from which on `look` is to be called: not at once, since most answers are short. */
  lookAt = charactersOfTokens(marginTokensLeast / 4);
  readonly #spending: AttemptSpending;
  readonly #ports: StreamSpendingPorts;
  #isAsking = false;
  #isWaiting = false;
  /** Asking ahead was refused: what is left is used before asking again. */
  #isRefused = false;
  #lookedMs: number;
  #charactersBefore = 0;
  #marginTokens = marginTokensLeast;

  constructor(spending: AttemptSpending, ports: StreamSpendingPorts) {
    this.#spending = spending;
    this.#ports = ports;
    this.#lookedMs = ports.nowMs();
  }

  /** True: what has come is all that is paid for, and reading stops until the budget has answered. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** A piece of bytes was read; it may have brought nothing but a count. `characters`: generated so far. */
  pieceRead(characters: number): void {
    const pieceTokens = (characters - this.#charactersBefore) / charactersOfTokens(1);
    this.#charactersBefore = characters;
    if (pieceTokens * 3 > this.#marginTokens) {
      this.#marginTokens = Math.ceil(pieceTokens * 3);
      this.lookAt = 0;
    }
    if (characters >= this.lookAt || this.#ports.nowMs() - this.#lookedMs >= lookEveryMs) this.look(characters);
  }

  /** Sets `lookAt` anew. */
  look(characters: number): void {
    this.#lookedMs = this.#ports.nowMs();
    const usage = this.#ports.usage();
    const tokens = usage.outputTokens ?? 0;
    const ahead = Math.max(aheadTokensLeast, this.#marginTokens * 2);
    const left = this.#tokensLeft(usage, tokens, ahead);
    if (left >= this.#bound(tokens) - tokens) {
      this.#lookAgain(characters, ahead / 2);
      return;
    }
    if (left <= this.#marginTokens) this.#wait(usage, tokens);
    else if (left < ahead && !this.#isAsking && !this.#isRefused) this.#ask(usage, tokens, ahead * 4);
    const until = left > ahead ? ahead : this.#marginTokens;
    this.#lookAgain(characters, Math.min(left - until, ahead / 2));
  }

  /** Where the attempt ends by itself. A provider that has passed its bound has none. */
  #bound(tokens: number): number {
    const bound = this.#ports.outputTokensMost;
    return bound === undefined || tokens > bound ? Number.POSITIVE_INFINITY : bound;
  }

  #lookAgain(characters: number, afterTokens: number): void {
    this.lookAt = characters + Math.max(1, charactersOfTokens(afterTokens));
  }

  /** Output tokens that what is reserved still pays for. */
  #tokensLeft(usage: Usage, tokens: number, ahead: number): number {
    const spent = this.#ports.costOf(usage);
    const costAhead = this.#ports.costOf({ ...usage, outputTokens: tokens + ahead }) - spent;
    if (costAhead <= 0n) return Number.POSITIVE_INFINITY; // No price is known, or output is free.
    return Math.floor((Number(this.#spending.covered - spent) / Number(costAhead)) * ahead);
  }

  #wait(usage: Usage, tokens: number): void {
    this.#isWaiting = true;
    if (!this.#isAsking) this.#ask(usage, tokens, this.#marginTokens * 2);
  }

  #ask(usage: Usage, tokens: number, moreTokens: number): void {
    this.#isAsking = true;
    const outputTokens = Math.min(this.#bound(tokens), tokens + moreTokens);
    const most = this.#ports.costOf({ ...usage, outputTokens });
    const answered = this.#spending.cover(most).then((failure) => this.#answered(failure, moreTokens));
    answered.catch(this.#ports.end); // Also of a fault when reading goes on: it is this attempt's alone.
  }

  #answered(failure: CallFailure | undefined, moreTokens: number): void {
    this.#isAsking = false;
    this.#isRefused = failure !== undefined;
    if (failure === undefined) {
      this.lookAt = 0;
      if (!this.#isWaiting) return;
      this.#isWaiting = false;
      this.#ports.resume();
      return;
    }
    if (!this.#isWaiting) return; // What is left is used first.
    const least = this.#marginTokens * 2;
    const usage = this.#ports.usage();
    if (moreTokens > least) this.#ask(usage, usage.outputTokens ?? 0, least);
    else this.#ports.end(failure);
  }
}
