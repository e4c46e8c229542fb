// Answers to creations that had a request id, so that a repeated one is answered and not made again. In this process, for
// minutes: the answer may hold a secret, which is kept nowhere else.
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Caller } from "../domain/principal.ts";

const limits = { entriesMax: 1_000, keptMs: 600_000 } as const;

type Kept<Answer> = { readonly payload: string; readonly answer: Promise<Answer>; readonly untilMs: number };

export class CreateMemory<Answer> {
  /** Oldest first. By caller and request id: another's id is another id. */
  readonly #kept = new Map<string, Kept<Answer>>();

  /**
   * The answer of `create`, or of the creation before with the same request id. `payload` names what is created; with
   * another than before it throws `CallFailure` REQUEST_ID_REUSED. A creation that failed is forgotten.
   */
  once(
    caller: Caller,
    requestId: string,
    payload: string,
    nowMs: number,
    create: () => Promise<Answer>,
  ): Promise<Answer> {
    if (requestId === "") return create();
    const id = toRequestKey(caller, requestId);
    const known = this.#kept.get(id);
    if (known !== undefined && nowMs < known.untilMs) {
      if (known.payload === payload) return known.answer;
      throw new CallFailure(ErrorReason.REQUEST_ID_REUSED, "the request id was used with another payload");
    }
    this.#forgetOld(nowMs);
    const answer = create();
    this.#kept.set(id, { payload, answer, untilMs: nowMs + limits.keptMs });
    answer.catch(() => this.#kept.delete(id));
    return answer;
  }

  #forgetOld(nowMs: number): void {
    for (const [id, { untilMs }] of this.#kept) {
      if (untilMs > nowMs && this.#kept.size < limits.entriesMax) return;
      this.#kept.delete(id);
    }
  }
}

/** Names the caller and its request id. */
export function toRequestKey({ projectId, keyId, service }: Caller, requestId: string): string {
  return JSON.stringify([projectId, keyId, service, requestId]);
}
