// Questions that are being answered, in turn: a step of each, some milliseconds, so that none waits for the end of another.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { InSteps } from "./index-database.ts";
import { QuestionFailure } from "./question-failure.ts";

const limits = {
  /** Questions that are worked on at once; others wait for their turn. A page holds up to 10 MB while it is made. */
  atOnceMax: 8,
  /** Longest time from the first step to the answer. */
  answerMsMax: 30_000,
} as const;

export class QuestionTurns {
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  readonly #asked = new Set<number>();

  /** Rejects with `QuestionFailure`: given up, or too slow. */
  async take<Answer>(id: number, begin: () => InSteps<Answer>): Promise<Answer> {
    this.#asked.add(id);
    await this.#begin();
    try {
      return await this.#answer(id, begin());
    } finally {
      this.#asked.delete(id);
      this.#end();
    }
  }

  giveUp(id: number): void {
    this.#asked.delete(id);
  }

  async #answer<Answer>(id: number, steps: InSteps<Answer>): Promise<Answer> {
    const endMs = performance.now() + limits.answerMsMax;
    for (;;) {
      if (!this.#asked.has(id)) throw new QuestionFailure("given-up");
      if (performance.now() > endMs) throw new QuestionFailure("too-slow");
      const step = steps.next();
      if (step.done === true) return step.value;
      await nextTurn();
    }
  }

  async #begin(): Promise<void> {
    if (this.#running < limits.atOnceMax) {
      this.#running += 1;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Hands the place on, so that nobody takes it from who waits for it. */
  #end(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }
}
