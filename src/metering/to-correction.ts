// The event that replaces another one when truer counts became known, or another price applies: whole, and like it in all
// but usage, cost and what names it. The journal fills in instance, boot and sequence.
import { clone, create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Attempt,
  AttemptOutcome,
  CorrectionPrices,
  CorrectionSchema,
  type CorrectUsageRequest,
  type Cost,
  ErrorReason,
  type Usage,
  type UsageEvent,
  UsageEventSchema,
  UsageSchema,
  UsageSource,
} from "../contract.ts";
import { CallFailure, type FieldViolation } from "../domain/call-failure.ts";
import { sumCost } from "./sum-cost.ts";
import { countNames, sumUsage } from "./sum-usage.ts";
import { usageViolations } from "./usage-violations.ts";

/** What the usage of an attempt of this event costs, at a time in Unix milliseconds. */
export type PriceAttempt = (event: UsageEvent, attempt: Attempt, usage: Usage, atMs: number) => Cost;

/**
 * The correction that a request asks for, without an id. Every attempt is priced anew, so that all lines of a cost are of
 * one price list. Throws `CallFailure` INVALID_REQUEST for counts that cannot be true, or of no attempt.
 */
export function toCorrection(
  before: UsageEvent,
  request: CorrectUsageRequest,
  nowMs: number,
  price: PriceAttempt,
): UsageEvent {
  const event = clone(UsageEventSchema, before);
  if (request.usage !== undefined || request.serviceTier !== "" || request.attempt !== 0)
    correctAttempt(event, request);
  const prices = request.prices === CorrectionPrices.UNSPECIFIED ? CorrectionPrices.OF_RPC : request.prices;
  const costs = event.attempts.map((attempt) => {
    if (attempt.usage === undefined) return undefined;
    const atMs = prices === CorrectionPrices.CURRENT ? nowMs : endedAtMs(event, attempt);
    const cost = withReport(price(event, attempt, attempt.usage, atMs), attempt);
    attempt.costNanoUsd = cost.totalNanoUsd;
    return cost;
  });
  event.usage = sumUsage(event.attempts.map(({ usage }) => usage));
  event.cost = sumCost(costs);
  const { reason, requestId } = request;
  event.correction = create(CorrectionSchema, { createTime: timestampFromMs(nowMs), reason, requestId, prices });
  event.correctsEventId = before.eventId;
  return Object.assign(event, { eventId: "", gatewayInstance: "", instanceBootId: "", instanceSequence: 0n });
}

function correctAttempt(event: UsageEvent, { usage, attempt: number, serviceTier }: CorrectUsageRequest): void {
  const attempt = attemptOf(event, number);
  if (serviceTier !== "") attempt.serviceTier = serviceTier;
  if (usage === undefined) return;
  attempt.usage = withCounts(attempt.usage, usage);
  const violations = usageViolations(attempt.usage);
  if (violations.length > 0) throw invalid(...violations);
}

/** The counts before, and in their place those that are set. */
function withCounts(before: Usage | undefined, { source, ...set }: Usage): Usage {
  const usage = before === undefined ? create(UsageSchema) : clone(UsageSchema, before);
  for (const name of countNames) if (set[name] !== undefined) usage[name] = set[name];
  const { cacheWrites, providerToolCalls, inputAudioDuration, outputAudioDuration } = set;
  // The split of another total is none of this one.
  if (cacheWrites.length > 0 || set.cacheWriteInputTokens !== undefined) usage.cacheWrites = cacheWrites;
  if (Object.keys(providerToolCalls).length > 0) usage.providerToolCalls = providerToolCalls;
  if (inputAudioDuration !== undefined) usage.inputAudioDuration = inputAudioDuration;
  if (outputAudioDuration !== undefined) usage.outputAudioDuration = outputAudioDuration;
  usage.source = source === UsageSource.UNSPECIFIED ? UsageSource.PROVIDER : source;
  return usage;
}

function attemptOf({ attempts }: UsageEvent, number: number): Attempt {
  const made = attempts.filter(({ outcome }) => outcome !== AttemptOutcome.SKIPPED);
  const consumed = made.filter(({ usage }) => usage !== undefined);
  const wanted = number === 0 ? (consumed.length > 0 ? consumed : made) : made.filter((one) => one.number === number);
  const [attempt, ...others] = wanted;
  if (attempt !== undefined && others.length === 0) return attempt;
  if (made.length === 0) throw invalid({ field: "event_id", description: "is of an RPC that reached no provider" });
  const numbers = made.map((one) => one.number).join(", ");
  throw invalid({ field: "attempt", description: `must be one of those that reached a provider: ${numbers}` });
}

/** As when it was billed: an attempt is priced when it ends. When a lost one ended is not known, nor when it began. */
function endedAtMs({ startTime }: UsageEvent, attempt: Attempt): number {
  const { duration } = attempt;
  const beganAt = attempt.startTime ?? startTime;
  const beganMs = beganAt === undefined ? 0 : timestampMs(beganAt);
  return duration === undefined ? beganMs : beganMs + Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}

/** What the provider itself said stays, beside our other price. */
function withReport(cost: Cost, { reportedCostNanoUsd }: Attempt): Cost {
  if (reportedCostNanoUsd === undefined) return cost;
  return { ...cost, reportedNanoUsd: reportedCostNanoUsd, comparedNanoUsd: cost.totalNanoUsd };
}

function invalid(...violations: readonly FieldViolation[]): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, "the usage cannot be corrected like this", { violations });
}
