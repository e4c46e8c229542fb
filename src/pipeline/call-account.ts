// What one call has cost so far, and how it ended: the facts from which the response and the one usage event are made.
// Pure bookkeeping: no I/O, and the time comes in as an argument.
import {
  type Attempt,
  AttemptOutcome,
  type CompleteRequest,
  type Cost,
  ErrorReason,
  type FinishReason,
  Operation,
  Outcome,
  type Usage,
  type UsageEvent,
  type Warning,
} from "../contract.ts";
import type { BudgetFallback } from "../domain/budget-fallback.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { CompletionFacts } from "../domain/completion.ts";
import { reasonOfFailure } from "../domain/failure-reason.ts";
import type { HttpHeaders } from "../domain/http.ts";
import type { Caller } from "../domain/principal.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import { codeOfReason, statusCode } from "../domain/status-code.ts";
import { sumCost } from "../metering/sum-cost.ts";
import { sumUsage } from "../metering/sum-usage.ts";
import { createUsageEvent, toDuration, toTimestamp } from "../metering/usage-event.ts";
import type { PlannedTarget, SkippedTarget } from "../routing/itinerary.ts";
import type { AttemptSpending } from "./call-spending.ts";
import type { TraceIds } from "./pipeline-parts.ts";
import { providerRequestIdOf } from "./pipeline-parts.ts";
import type { Clock, InferenceMethod, PriceQuery, Pricer } from "./ports.ts";

export type CallIdentity = {
  readonly id: string;
  readonly correlationId: string;
  readonly method: InferenceMethod;
  readonly caller: Caller;
  readonly trace: TraceIds;
  readonly startedMs: number;
};

/** An attempt under way. */
export type OpenAttempt = {
  readonly record: Attempt;
  readonly planned: PlannedTarget;
  readonly startedMonotonicMs: number;
  firstContentMonotonicMs: number | undefined;
  /** What it may spend; `undefined`: no budget binds the call. */
  spending?: AttemptSpending | undefined;
};

/** How an attempt ended, and what it consumed. */
export type AttemptEnd = {
  readonly outcome: AttemptOutcome;
  readonly failure?: ProviderFailure | undefined;
  readonly httpStatus: number;
  readonly headers: HttpHeaders;
  /** `undefined`: nothing is known to have been consumed. */
  readonly usage: Usage | undefined;
  readonly facts?:
    | Pick<CompletionFacts, "responseModel" | "serviceTier" | "finishReason" | "reportedCostNanoUsd">
    | undefined;
};

const operationByMethod = {
  Complete: Operation.CHAT,
  StreamComplete: Operation.CHAT,
  CountTokens: Operation.COUNT_TOKENS,
  Embed: Operation.EMBEDDINGS,
  Rerank: Operation.RERANK,
  Moderate: Operation.MODERATION,
  GenerateImages: Operation.IMAGE_GENERATION,
  StreamSpeech: Operation.SPEECH,
  Transcribe: Operation.TRANSCRIPTION,
} as const satisfies Record<InferenceMethod, Operation>;

export class CallAccount {
  readonly identity: CallIdentity;
  readonly attempts: Attempt[] = [];
  /** Estimated, for reservations and for calls that end without a count. */
  inputTokensEstimated = 0;
  reservedNanoUsd = 0n;
  /** Set when a budget sent the call to another model. */
  budgetFallback: BudgetFallback | undefined;
  /** Routing rule that chose the model; "": none. */
  ruleId = "";
  finishReason: FinishReason = 0;
  /** What the gateway itself has to say of the call, beside its translation. */
  notices: readonly Warning[] = noNotices;
  /** Provider that served; "" while none did. */
  servedBy: PlannedTarget | undefined;
  #request: CompleteRequest | undefined;
  #costs: Cost[] = [];
  #usages: Usage[] = [];
  #usage: Usage | undefined;
  #cost: Cost | undefined;
  /** Time during which at least one attempt was under way: the two of a hedged call overlap. */
  #upstreamMs = 0;
  #attemptsOpen = 0;
  #upstreamSinceMs = 0;
  readonly #clock: Clock;
  readonly #pricer: Pricer;
  readonly #startedMonotonicMs: number;
  #firstContentMonotonicMs: number | undefined;

  constructor(identity: CallIdentity, clock: Clock, pricer: Pricer) {
    this.identity = identity;
    this.#clock = clock;
    this.#pricer = pricer;
    this.#startedMonotonicMs = clock.monotonicMs();
  }

  set request(request: CompleteRequest) {
    this.#request = request;
  }

  /** Targets that were left out without a call stand in the record too. */
  skip(skipped: readonly SkippedTarget[]): void {
    for (const one of skipped) {
      const record = newAttempt(this.attempts.length + 1, one);
      record.outcome = AttemptOutcome.SKIPPED;
      record.errorReason =
        one.because === "rate-limited" ? ErrorReason.PROVIDER_RATE_LIMITED : ErrorReason.NO_HEALTHY_TARGET;
      this.attempts.push(record);
    }
  }

  beginAttempt(planned: PlannedTarget): OpenAttempt {
    const record = newAttempt(this.attempts.length + 1, planned);
    record.startTime = toTimestamp(this.#clock.nowMs());
    this.attempts.push(record);
    const startedMonotonicMs = this.#clock.monotonicMs();
    if (this.#attemptsOpen === 0) this.#upstreamSinceMs = startedMonotonicMs;
    this.#attemptsOpen += 1;
    return { record, planned, startedMonotonicMs, firstContentMonotonicMs: undefined, spending: undefined };
  }

  /** The first content of an attempt reached us. */
  contentSeen(open: OpenAttempt): void {
    const nowMs = this.#clock.monotonicMs();
    open.firstContentMonotonicMs ??= nowMs;
    this.#firstContentMonotonicMs ??= nowMs;
  }

  endAttempt(open: OpenAttempt, end: AttemptEnd): void {
    const { record, planned } = open;
    const nowMs = this.#clock.monotonicMs();
    const durationMs = nowMs - open.startedMonotonicMs;
    this.#attemptsOpen -= 1;
    if (this.#attemptsOpen === 0) this.#upstreamMs += nowMs - this.#upstreamSinceMs;
    record.duration = toDuration(durationMs);
    if (open.firstContentMonotonicMs !== undefined) {
      record.timeToFirstToken = toDuration(open.firstContentMonotonicMs - open.startedMonotonicMs);
    }
    record.outcome = end.outcome;
    record.httpStatus = end.httpStatus;
    record.providerRequestId = end.failure?.facts.providerRequestId ?? providerRequestIdOf(end.headers);
    if (end.failure !== undefined) record.errorReason = reasonOfFailure(end.failure.kind);
    if (end.facts !== undefined) {
      record.responseModel = end.facts.responseModel;
      record.serviceTier = end.facts.serviceTier;
      this.finishReason = end.facts.finishReason;
    }
    if (end.outcome === AttemptOutcome.SERVED) this.servedBy = planned;
    if (end.usage !== undefined) this.#charge(record, planned, end.usage, end.facts?.reportedCostNanoUsd);
  }

  /** Usage over all attempts; `undefined`: nothing is known to have been consumed. */
  get usage(): Usage | undefined {
    this.#usage ??= sumUsage(this.#usages);
    return this.#usage;
  }

  get cost(): Cost | undefined {
    this.#cost ??= sumCost(this.#costs);
    return this.#cost;
  }

  get durationMs(): number {
    return this.#clock.monotonicMs() - this.#startedMonotonicMs;
  }

  get timeToFirstTokenMs(): number | undefined {
    if (this.#firstContentMonotonicMs === undefined) return undefined;
    return this.#firstContentMonotonicMs - this.#startedMonotonicMs;
  }

  /** What the gateway itself added: everything but the time spent waiting for providers. */
  get overheadMs(): number {
    return Math.max(0, this.durationMs - this.#upstreamMs);
  }

  /** The event as far as it is known before a provider is called: what recovery has to go by. */
  toStartEvent(estimated: Usage, first: PlannedTarget | undefined): UsageEvent {
    const event = this.#toEvent(Outcome.UNSPECIFIED, undefined, estimated);
    if (first === undefined) return event;
    const attempt = newAttempt(1, first);
    // Not yet what the provider says, but all that a price can go by.
    attempt.serviceTier = this.#request?.serviceTier ?? "";
    event.attempts = [attempt];
    return event;
  }

  /** The one event of the call. */
  toFinalEvent(end: { readonly outcome: Outcome; readonly failure: CallFailure | undefined }): UsageEvent {
    return this.#toEvent(end.outcome, end.failure, this.usage);
  }

  /** What a usage costs at a target now; `serviceTier`: as the provider said, "": as it was asked for. */
  priceAt(planned: PlannedTarget, usage: Usage, serviceTier: string): Cost {
    const query = this.priceQuery(planned);
    return this.#pricer.price(usage, serviceTier === "" ? query : { ...query, serviceTier });
  }

  /** Of now, under the tier that was asked for. */
  priceQuery({ target }: PlannedTarget): PriceQuery {
    return {
      providerId: target.providerId,
      providerName: target.providerName,
      model: target.model,
      projectId: this.identity.caller.projectId,
      serviceTier: this.#request?.serviceTier ?? "",
      atMs: this.#clock.nowMs(),
    };
  }

  #charge(record: Attempt, planned: PlannedTarget, usage: Usage, reportedNanoUsd: bigint | undefined): void {
    const cost = this.priceAt(planned, usage, record.serviceTier);
    record.usage = usage;
    record.costNanoUsd = cost.totalNanoUsd;
    if (reportedNanoUsd !== undefined) {
      record.reportedCostNanoUsd = reportedNanoUsd;
      cost.reportedNanoUsd = reportedNanoUsd;
      cost.comparedNanoUsd = cost.totalNanoUsd;
    }
    this.#usages.push(usage);
    this.#costs.push(cost);
    this.#usage = undefined;
    this.#cost = undefined;
  }

  #toEvent(outcome: Outcome, failure: CallFailure | undefined, usage: Usage | undefined): UsageEvent {
    const { id, caller, method, trace, startedMs } = this.identity;
    const request = this.#request;
    const durationMs = this.durationMs;
    return createUsageEvent({
      eventId: id,
      responseId: id,
      requestId: request?.requestId ?? "",
      operation: operationByMethod[method],
      streaming: method === "StreamComplete" || method === "StreamSpeech",
      caller,
      endUserId: request?.endUserId ?? "",
      requestedModel: request?.model ?? "",
      model: this.servedBy?.target.model ?? "",
      provider: this.servedBy?.target.providerName ?? "",
      outcome,
      statusCode: failure === undefined ? statusCode.ok : codeOfReason(failure.reason),
      errorReason: failure?.reason,
      finishReason: this.finishReason,
      usage,
      cost: this.cost,
      attempts: this.attempts,
      reservedNanoUsd: this.reservedNanoUsd,
      fallbackBudgetId: this.budgetFallback?.budgetId,
      ruleId: this.ruleId,
      startedAtMs: startedMs,
      endedAtMs: this.#clock.nowMs(),
      durationMs,
      timeToFirstTokenMs: this.timeToFirstTokenMs,
      overheadMs: Math.max(0, durationMs - this.#upstreamMs),
      traceId: trace.traceId,
      spanId: trace.spanId,
      conversationId: request?.conversationId ?? "",
      labels: request?.labels ?? {},
    });
  }
}

const noNotices: readonly Warning[] = [];

function newAttempt(number: number, { target }: PlannedTarget): Attempt {
  // A literal rather than `create`: the same message at a fifth of the time, twice a call.
  return {
    $typeName: "llmgateway.v1.Attempt",
    number,
    provider: target.providerName,
    targetId: target.id,
    providerModel: target.model,
    responseModel: "",
    region: target.region,
    outcome: AttemptOutcome.UNSPECIFIED,
    errorReason: ErrorReason.UNSPECIFIED,
    httpStatus: 0,
    providerRequestId: "",
    costNanoUsd: 0n,
    serviceTier: "",
    providerId: target.providerId,
  };
}

/** Outcome of a call that failed: refused by us, or tried and failed, perhaps in the middle of its answer. */
export function outcomeOfFailure({ reason, facts }: CallFailure, providerWasTried: boolean): Outcome {
  if (reason === ErrorReason.CANCELLED || reason === ErrorReason.DEADLINE_EXCEEDED) return Outcome.CANCELLED;
  const isCutOff = reason === ErrorReason.BUDGET_EXHAUSTED && facts.streamFailure !== undefined;
  if (isCutOff || reason === ErrorReason.STREAM_INTERRUPTED) return Outcome.INTERRUPTED;
  if (reason === ErrorReason.INTERNAL) return Outcome.FAILED;
  return providerWasTried || reason === ErrorReason.NO_HEALTHY_TARGET ? Outcome.FAILED : Outcome.REJECTED;
}
