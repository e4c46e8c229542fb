// What the provider says about its rate limits, so that we slow down before the 429. Both dialects describe token
// buckets: `remaining` now, and the time at which the bucket is full again, so the refill rate follows.
//   OpenAI and compatible: x-ratelimit-{limit,remaining,reset}-{requests,tokens}, reset as a duration ("6m0s", "12ms")
//     https://platform.openai.com/docs/guides/rate-limits (2026-11)
//   Anthropic: anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}, reset in RFC 3339
//     https://docs.claude.com/en/api/rate-limits (2026-11)
import type { HttpHeaders } from "../domain/http.ts";

type Allowance = {
  readonly remaining: number;
  /** Refill of the provider's bucket; 0 when it does not say. */
  readonly perMs: number;
  readonly max: number;
  readonly atMs: number;
  /** When all of it is back, by the provider's word. */
  readonly resetAtMs: number;
};

export class ProviderLimits {
  #requests: Allowance | undefined;
  #tokens: Allowance | undefined;
  #requestsTaken = 0;
  #tokensTaken = 0;

  /** Reads the headers of any answer; those without rate limits change nothing. */
  observe(headers: HttpHeaders, nowMs: number): void {
    const requests = readOpenAi(headers, "requests", nowMs) ?? readAnthropic(headers, "requests", nowMs);
    if (requests !== undefined) {
      this.#requests = requests;
      this.#requestsTaken = 0;
    }
    const tokens =
      readOpenAi(headers, "tokens", nowMs) ??
      readAnthropic(headers, "input-tokens", nowMs) ??
      readAnthropic(headers, "tokens", nowMs);
    if (tokens !== undefined) {
      this.#tokens = tokens;
      this.#tokensTaken = 0;
    }
  }

  /** A call begins: the provider's next answer will tell the truth, until then we count ourselves. */
  take(inputTokens: number): void {
    this.#requestsTaken += 1;
    this.#tokensTaken += inputTokens;
  }

  /** Milliseconds until the provider would probably take one more request of this size; 0: now, or unknown. */
  waitMs(inputTokens: number, nowMs: number): number {
    if (this.#requests === undefined && this.#tokens === undefined) return 0;
    return Math.max(
      waitFor(1, this.#requestsTaken, this.#requests, nowMs),
      waitFor(inputTokens, this.#tokensTaken, this.#tokens, nowMs),
    );
  }

  get remainingRequests(): number | undefined {
    return this.#requests && Math.max(0, this.#requests.remaining - this.#requestsTaken);
  }

  get remainingTokens(): number | undefined {
    return this.#tokens && Math.max(0, this.#tokens.remaining - this.#tokensTaken);
  }
}

function waitFor(amount: number, taken: number, allowance: Allowance | undefined, nowMs: number): number {
  if (allowance === undefined || nowMs >= allowance.resetAtMs) return 0;
  // A request larger than the whole bucket would wait for ever: the provider shall say so itself.
  const wanted = Math.min(amount, allowance.max);
  const refilled = allowance.remaining + allowance.perMs * (nowMs - allowance.atMs);
  const level = Math.min(allowance.max, refilled) - taken;
  if (level >= wanted) return 0;
  if (allowance.perMs <= 0) return allowance.resetAtMs - nowMs;
  return Math.min(Math.ceil((wanted - level) / allowance.perMs), Math.max(1, allowance.resetAtMs - nowMs));
}

function readOpenAi(headers: HttpHeaders, what: string, nowMs: number): Allowance | undefined {
  const remaining = toCount(headers[`x-ratelimit-remaining-${what}`]);
  if (remaining === undefined) return undefined;
  const limit = toCount(headers[`x-ratelimit-limit-${what}`]);
  return toAllowance(remaining, limit, parseDurationMs(headers[`x-ratelimit-reset-${what}`]), nowMs);
}

function readAnthropic(headers: HttpHeaders, what: string, nowMs: number): Allowance | undefined {
  const remaining = toCount(headers[`anthropic-ratelimit-${what}-remaining`]);
  if (remaining === undefined) return undefined;
  const limit = toCount(headers[`anthropic-ratelimit-${what}-limit`]);
  const resetAtMs = Date.parse(headers[`anthropic-ratelimit-${what}-reset`] ?? "");
  return toAllowance(remaining, limit, Number.isNaN(resetAtMs) ? undefined : resetAtMs - nowMs, nowMs);
}

function toAllowance(
  remaining: number,
  limit: number | undefined,
  resetMs: number | undefined,
  nowMs: number,
): Allowance {
  const untilMs = Math.min(resetMsMax, Math.max(0, resetMs ?? resetMsDefault));
  const missing = limit === undefined ? 0 : Math.max(0, limit - remaining);
  return {
    remaining,
    max: limit ?? Number.POSITIVE_INFINITY,
    perMs: untilMs > 0 && resetMs !== undefined ? missing / untilMs : 0,
    atMs: nowMs,
    resetAtMs: nowMs + untilMs,
  };
}

/** For a provider that names what remains and not until when (Azure OpenAI does so). */
const resetMsDefault = 1_000;
/** A day: limits are per minute, hour or day; a clock far off must not lock a target out. */
const resetMsMax = 86_400_000;

function toCount(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined;
  return Number(text);
}

/** "1s", "6m0s", "1h2m3.5s", "12ms", "7.66s", or plain seconds; `undefined` for anything else. */
function parseDurationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text) * 1_000;
  const match =
    /^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?$/.exec(
      text,
    );
  if (match === null || text === "") return undefined;
  const [, days = "0", hours = "0", minutes = "0", seconds = "0", millis = "0"] = match;
  return (
    Number(days) * 86_400_000 +
    Number(hours) * 3_600_000 +
    Number(minutes) * 60_000 +
    Number(seconds) * 1_000 +
    Number(millis)
  );
}
