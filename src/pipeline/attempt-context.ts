import type { Duration } from "@bufbuild/protobuf/wkt";
import { type CompleteRequest, IncludeOption } from "../contract.ts";
import type { ReadContext } from "../providers/provider.ts";
import type { AttemptLimits } from "./attempt-timer.ts";
import { wants } from "./complete-response.ts";
import { charactersPerToken } from "./estimated-usage.ts";
import type { LiveCall } from "./live-call.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";

/** The operator's time limits, narrowed by the caller's: a caller can ask for less patience, never for more. */
export function timeLimits(ready: ReadyAttempt, request: CompleteRequest, mode: "unary" | "stream"): AttemptLimits {
  const { timeouts, minRate } = ready.configured;
  const wished = request.routing;
  const totalMs = narrowed(timeouts.totalMs, wished?.attemptTimeout);
  if (mode === "unary") return { totalMs, firstTokenMs: undefined, idleMs: undefined };
  return {
    totalMs,
    firstTokenMs: narrowed(timeouts.firstTokenMs, wished?.firstTokenTimeout),
    idleMs: narrowed(timeouts.idleMs, wished?.idleTimeout),
    minRate: minRate && {
      charactersPerSecond: minRate.tokensPerSecond * charactersPerToken,
      windowMs: minRate.windowMs,
    },
  };
}

export function readContextOf(call: LiveCall, request: CompleteRequest, ready: ReadyAttempt): ReadContext {
  return {
    model: ready.planned.target.model,
    callIdSeed: `call_${call.account.identity.id}_`,
    includeProviderMetadata: wants(request, IncludeOption.PROVIDER_METADATA),
    includeAllSafetyFindings: wants(request, IncludeOption.ALL_SAFETY_FINDINGS),
  };
}

export function msOfDuration(duration: Duration): number {
  return Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}

function narrowed(configuredMs: number, wished: Duration | undefined): number {
  return wished === undefined ? configuredMs : Math.min(configuredMs, msOfDuration(wished));
}
