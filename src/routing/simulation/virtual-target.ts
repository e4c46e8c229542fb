// A target of the simulation: how fast and dear it is, what goes wrong with it and when. What it answers depends on the
// call, the time and its rate limit alone, so that every strategy meets the same weather.
import type { FailureKind } from "../../domain/provider-failure.ts";
import { seededRandom } from "./seeded-random.ts";

export type Fault = {
  /** `dead`: no connection. `slow`: ten times as long to the first token, a third of the speed. `cutting`: a third of the answers break off before content. */
  readonly kind: "dead" | "slow" | "cutting";
  readonly fromMs: number;
  readonly toMs: number;
};

export type VirtualTarget = {
  readonly id: string;
  readonly firstTokenMs: number;
  readonly outputTokensPerSecond: number;
  readonly nanoUsdPerInputToken: number;
  readonly nanoUsdPerOutputToken: number;
  /** Answers past it are 429 with the wait until the next one is allowed; `undefined`: no limit. */
  readonly requestsPerMinute?: number | undefined;
  readonly faults: readonly Fault[];
};

export type VirtualCall = { readonly number: number; readonly inputTokens: number; readonly outputTokens: number };

export type Answer = { readonly headers: Readonly<Record<string, string>> } & (
  | { readonly kind: "served"; readonly firstTokenMs: number; readonly durationMs: number }
  | { readonly kind: "failed"; readonly failure: FailureKind; readonly afterMs: number; readonly retryAfterMs?: number }
);

/** As an operator would set `timeouts.first_token` for these targets. */
const firstTokenTimeoutMs = 5_000;

/** The server behind a target, with the state of its rate limit. */
export class VirtualServer {
  readonly target: VirtualTarget;
  #allowed: number;
  #refilledAtMs: number;

  constructor(target: VirtualTarget, startMs: number) {
    this.target = target;
    this.#allowed = target.requestsPerMinute ?? 0;
    this.#refilledAtMs = startMs;
  }

  /** `attempt`: number of this attempt in its call, so that another one has another chance. */
  answer(call: VirtualCall, attempt: number, nowMs: number): Answer {
    const fault = this.target.faults.find(({ fromMs, toMs }) => nowMs >= fromMs && nowMs < toMs)?.kind;
    if (fault === "dead") return { kind: "failed", failure: "unavailable", afterMs: 50, headers: {} };
    const waitMs = this.#takeAllowance(nowMs);
    const headers = this.#headers();
    if (waitMs > 0) return { kind: "failed", failure: "rate-limited", afterMs: 30, retryAfterMs: waitMs, headers };
    const random = seededRandom(call.number * 7_919 + attempt * 104_729 + hash(this.target.id));
    const jitter = 0.7 + random() * 0.6 + (random() < 0.02 ? 4 : 0); // One in fifty takes far longer, as in life.
    const firstTokenMs = this.target.firstTokenMs * (fault === "slow" ? 10 : 1) * jitter;
    if (firstTokenMs > firstTokenTimeoutMs) {
      return { kind: "failed", failure: "timeout", afterMs: firstTokenTimeoutMs, headers };
    }
    if (fault === "cutting" && random() < 1 / 3) {
      return { kind: "failed", failure: "interrupted", afterMs: firstTokenMs, headers };
    }
    const speed = this.target.outputTokensPerSecond / (fault === "slow" ? 3 : 1);
    const generatingMs = (call.outputTokens * 1_000) / speed;
    return { kind: "served", firstTokenMs, durationMs: firstTokenMs + generatingMs, headers };
  }

  /** What the first attempt of this call would get, without making it. */
  foresee(call: VirtualCall, nowMs: number): Answer {
    const [allowed, refilledAtMs] = [this.#allowed, this.#refilledAtMs];
    const answer = this.answer(call, 1, nowMs);
    [this.#allowed, this.#refilledAtMs] = [allowed, refilledAtMs];
    return answer;
  }

  /** 0: one request was taken from the allowance; else milliseconds until there is one. */
  #takeAllowance(nowMs: number): number {
    const { requestsPerMinute } = this.target;
    if (requestsPerMinute === undefined) return 0;
    const earned = ((nowMs - this.#refilledAtMs) * requestsPerMinute) / 60_000;
    this.#allowed = Math.min(requestsPerMinute, this.#allowed + earned);
    this.#refilledAtMs = nowMs;
    if (this.#allowed < 1) return Math.ceil(((1 - this.#allowed) * 60_000) / requestsPerMinute);
    this.#allowed -= 1;
    return 0;
  }

  #headers(): Readonly<Record<string, string>> {
    const { requestsPerMinute } = this.target;
    if (requestsPerMinute === undefined) return {};
    const untilFullMs = ((requestsPerMinute - this.#allowed) * 60_000) / requestsPerMinute;
    return {
      "x-ratelimit-limit-requests": String(requestsPerMinute),
      "x-ratelimit-remaining-requests": String(Math.floor(this.#allowed)),
      "x-ratelimit-reset-requests": `${Math.ceil(untilFullMs)}ms`,
    };
  }
}

/** Nano-USD of one call at a target. */
export function costNanoUsd(target: VirtualTarget, call: VirtualCall): number {
  return call.inputTokens * target.nanoUsdPerInputToken + call.outputTokens * target.nanoUsdPerOutputToken;
}

function hash(text: string): number {
  let value = 0;
  for (const character of text) value = (Math.imul(value, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return value;
}
