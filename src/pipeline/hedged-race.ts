// Two attempts of one call at once, when the first is slow to give content. The first that gives content wins, and the
// other is cancelled; both stand in the record.
import { type CallScope, Stopped } from "./call-scope.ts";

/** What an attempt is under: when it must stop, and whether it may speak. */
export interface AttemptControl {
  readonly scope: CallScope;
  /** The first content has come. False: another attempt was faster, and this one is to throw `Stopped`. */
  claim(): boolean;
}

type Run<Answer> = { readonly scope: CallScope; readonly ended: Promise<Answer | undefined> };

export class HedgedRace<Answer> {
  readonly #scope: CallScope;
  readonly #runs: Run<Answer>[] = [];
  #winner: CallScope | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(scope: CallScope) {
    this.#scope = scope;
  }

  /** `attempt` resolves with `undefined` when its target failed and another may do better. */
  start(attempt: (control: AttemptControl) => Promise<Answer | undefined>): void {
    const scope = this.#scope.child();
    const ended = attempt({ scope, claim: () => this.#claim(scope) });
    ended.catch(() => {}); // Heard in `finish`.
    this.#runs.push({ scope, ended });
  }

  /** Starts another attempt when none has given content after so long. */
  startAfter(ms: number, begin: () => void): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      begin();
    }, ms);
  }

  /**
   * The answer of the winner; `undefined` when every target failed. Rejects with what ended the call. Either way every
   * attempt is over by then, so that the account of the call is complete.
   */
  async finish(): Promise<Answer | undefined> {
    let answer: Answer | undefined;
    try {
      // Runs may join while the first is waited for.
      for (let index = 0; index < this.#runs.length; index++) {
        const given = await this.#endOf(this.#runs[index]);
        answer ??= given;
      }
      return answer;
    } catch (error) {
      for (const { scope } of this.#runs) scope.stop("hedge");
      await Promise.allSettled(this.#runs.map(({ ended }) => ended));
      throw error;
    } finally {
      clearTimeout(this.#timer);
    }
  }

  async #endOf(run: Run<Answer> | undefined): Promise<Answer | undefined> {
    try {
      return await run?.ended;
    } catch (error) {
      if (error instanceof Stopped && error.stopCause === "hedge") return undefined;
      throw error;
    }
  }

  #claim(scope: CallScope): boolean {
    this.#winner ??= scope;
    if (this.#winner !== scope) return false;
    clearTimeout(this.#timer);
    for (const run of this.#runs) {
      if (run.scope !== scope) run.scope.stop("hedge");
    }
    return true;
  }
}
