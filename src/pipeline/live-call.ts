// What every call goes through, whatever its method: admitted, written down, tried at one target after the other, ended
// exactly once. `complete.ts` and `stream-complete.ts` say only what differs.
import {
  AttemptOutcome,
  type CompleteRequest,
  ErrorReason,
  type Outcome,
  type Usage,
  type UsageEvent,
} from "../contract.ts";
import type { BudgetFallback } from "../domain/budget-fallback.ts";
import { CallFailure, type FieldViolation } from "../domain/call-failure.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { estimateInputTokens } from "../metering/estimate-tokens.ts";
import { authoriseMethod } from "../policy/authorise.ts";
import { authoriseRequest } from "../policy/authorise-request.ts";
import type { Itinerary, PlannedTarget, RouteQuery, RouteStep } from "../routing/itinerary.ts";
import { type CallAccount, type OpenAttempt, outcomeOfFailure } from "./call-account.ts";
import { type CallScope, Stopped } from "./call-scope.ts";
import { CallSpending, type Share } from "./call-spending.ts";
import { estimateUsage } from "./estimated-usage.ts";
import { failureOfStop } from "./failure-of-stop.ts";
import { type AttemptControl, HedgedRace } from "./hedged-race.ts";
import type { PipelineParts } from "./pipeline-parts.ts";
import type { AdmissionRequest, Reservation } from "./ports.ts";
import { type CallTask, prepareAttempt, type ReadyAttempt } from "./prepare-attempt.ts";
import { refuseReservedOptions } from "./refuse-reserved-options.ts";
import { refuseUnavailableFeatures } from "./unavailable-features.ts";
import {
  type MostKinds,
  mostConsumedAt,
  mostKindsOf,
  outputTokensMax,
  type UnitsMost,
  usagesMost,
  worstCost,
} from "./worst-cost.ts";

export class LiveCall {
  readonly parts: PipelineParts;
  readonly account: CallAccount;
  readonly scope: CallScope;
  /** Unix milliseconds; `undefined`: no deadline. */
  readonly deadlineMs: number | undefined;
  readonly #onOver: () => void;
  #itinerary: Itinerary | undefined;
  #reservation: Reservation | undefined;
  /** `undefined`: no budget binds the call. */
  #spending: CallSpending | undefined;
  #mostKinds: MostKinds | undefined;
  #worstOf: ((candidates: readonly PlannedTarget[]) => bigint | undefined) | undefined;
  #recorded: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #violations: FieldViolation[] = [];
  /** For an attempt without a rival. */
  readonly #alone: AttemptControl;

  constructor(
    parts: PipelineParts,
    account: CallAccount,
    scope: CallScope,
    deadlineMs: number | undefined,
    onOver: () => void,
  ) {
    this.parts = parts;
    this.account = account;
    this.scope = scope;
    this.#alone = { scope, claim: () => true };
    this.deadlineMs = deadlineMs;
    this.#onOver = onOver;
  }

  /** The plan, after `begin`. */
  get itinerary(): Itinerary {
    if (this.#itinerary === undefined) throw new Error("the call has not begun");
    return this.#itinerary;
  }

  /**
   * Policy, route, reservation, START: everything before a token is spent. Throws `CallFailure`. `unitsMost`: what the call
   * consumes at most, in each of the units by which such models are billed; default: input and output tokens.
   */
  async begin(request: CompleteRequest, streaming: boolean, unitsMost?: UnitsMost): Promise<void> {
    const { account, parts } = this;
    account.request = request;
    this.scope.throwIfStopped();
    this.scope.whenStopped(undefined);
    const { caller } = account.identity;
    authoriseMethod(caller, account.identity.method);
    if (caller.labels !== undefined) Object.assign(request.labels, caller.labels);
    refuseUnavailableFeatures(request);
    refuseReservedOptions(request);
    const nowMs = parts.clock.nowMs();
    account.inputTokensEstimated = estimateInputTokens(request);
    authoriseRequest(caller, request, account.inputTokensEstimated, account.identity.method);
    try {
      const admitting = this.#planAndAdmit(request, streaming, nowMs, unitsMost);
      if (admitting !== undefined) await admitting;
    } finally {
      // Also when admission refuses: where the call would have gone is a fact of its event.
      account.ruleId = this.#itinerary?.ruleId ?? "";
      account.skip(this.#itinerary?.skipped ?? nobody);
    }
    const estimated = estimateUsage(undefined, account.inputTokensEstimated, 0);
    // Written while the first attempt is being translated; awaited before anything is sent.
    this.#recorded = parts.ledger.start(account.toStartEvent(estimated, this.itinerary.candidates[0]));
    this.#recorded.catch(() => {}); // Heard where it is awaited; a call that ends before that needs no START.
  }

  /**
   * Tries targets until one answers. `attempt` throws `ProviderFailure` when another target may do better, anything else
   * to end the call.
   */
  async serve<Operation, Answer>(task: CallTask<Operation>, attempt: Attempt<Operation, Answer>): Promise<Answer> {
    for (;;) {
      this.scope.throwIfStopped();
      const step = this.itinerary.next(this.parts.clock.nowMs());
      if (step.kind === "give-up") throw this.#giveUp(step);
      if (step.kind === "wait") {
        await this.scope.sleep(step.afterMs);
        continue;
      }
      const served = await this.#step(task, step, attempt);
      if (served !== undefined) return served.answer;
    }
  }

  #step<Operation, Answer>(
    task: CallTask<Operation>,
    step: AttemptStep,
    attempt: Attempt<Operation, Answer>,
  ): Promise<Served<Answer> | undefined> {
    const { afterMs, hedgeAfterMs, planned } = step;
    const go = (): Promise<Served<Answer> | undefined> =>
      hedgeAfterMs !== undefined && task.mayHedge
        ? this.#hedged(task, step, hedgeAfterMs, attempt)
        : this.#tryTarget(task, planned, attempt, this.#alone);
    return afterMs > 0 ? this.#waitFor(step, this.scope).then(go) : go();
  }

  async #hedged<Operation, Answer>(
    task: CallTask<Operation>,
    step: AttemptStep,
    hedgeAfterMs: number,
    attempt: Attempt<Operation, Answer>,
  ): Promise<Served<Answer> | undefined> {
    const race = new HedgedRace<Served<Answer>>(this.scope);
    race.start((control) => this.#tryTarget(task, step.planned, attempt, control));
    race.startAfter(hedgeAfterMs, () => {
      const second = this.itinerary.next(this.parts.clock.nowMs());
      if (second.kind !== "attempt") return; // No second target: the first goes on alone.
      race.start(async (control) => {
        await this.#waitFor(second, control.scope);
        return this.#tryTarget(task, second.planned, attempt, control);
      });
    });
    return race.finish();
  }

  async #waitFor(step: AttemptStep, scope: CallScope): Promise<void> {
    try {
      await scope.sleep(step.afterMs);
    } catch (error) {
      this.#endGrant(step.planned, error);
      throw error;
    }
  }

  async #tryTarget<Operation, Answer>(
    task: CallTask<Operation>,
    planned: PlannedTarget,
    attempt: Attempt<Operation, Answer>,
    control: AttemptControl,
  ): Promise<Served<Answer> | undefined> {
    let open: OpenAttempt | undefined;
    let ready: ReadyAttempt<Operation> | undefined;
    try {
      const preparing = prepareAttempt(this.parts, task, planned, this.deadlineMs);
      const prepared = preparing instanceof Promise ? await control.scope.until(preparing) : preparing;
      if (prepared.kind === "unsupported") {
        this.itinerary.unsupported(planned);
        this.#violations.push(...prepared.violations);
        return undefined;
      }
      if (this.#recorded !== undefined) await control.scope.until(this.#recorded);
      control.scope.throwIfStopped();
      const paid = this.#spending && this.#payFor(this.#spending, planned, control);
      const share = paid instanceof Promise ? await paid : paid;
      if (this.#spending !== undefined && share === undefined) return undefined;
      ready = prepared;
      open = this.account.beginAttempt(planned);
      open.spending = share && this.#spending?.begin(share, open);
      this.itinerary.started(planned, this.parts.clock.nowMs());
      return { answer: await attempt(ready, open, control) };
    } catch (error) {
      if (open === undefined || ready === undefined) this.#endGrant(planned, error);
      else this.attemptFailed(ready, open, error, nothingSeen, undefined); // Only after a bug is it still under way.
      if (error instanceof ProviderFailure) return undefined;
      throw error;
    }
  }

  /** `undefined`: a second attempt beside the first would cost more than the budget has; the first one goes on alone. */
  #payFor(spending: CallSpending, planned: PlannedTarget, control: AttemptControl): Share | Promise<Share | undefined> {
    const share = spending.share(() => this.#mostAt(planned));
    const asked = spending.mayBegin(share);
    return asked === undefined ? share : this.#extendFor(share, asked, spending, planned, control);
  }

  async #extendFor(
    share: Share,
    asked: Promise<CallFailure | undefined>,
    spending: CallSpending,
    planned: PlannedTarget,
    { scope }: AttemptControl,
  ): Promise<Share | undefined> {
    let refusal: CallFailure | undefined;
    try {
      refusal = await scope.until(asked);
    } catch (error) {
      spending.withdraw(share);
      throw error;
    }
    if (refusal === undefined) return share;
    if (!spending.isShared) throw withAttempts(refusal, this.account.attempts);
    this.itinerary.cancelled(planned, this.parts.clock.nowMs());
    return undefined;
  }

  /** Nano-USD that an attempt which has consumed so much is billed at most, as far as prices are known. */
  mostBilled(planned: PlannedTarget, request: CompleteRequest, usage: Usage): bigint {
    const { account, parts } = this;
    const most = mostConsumedAt(planned, usage, this.#kindsOf(request));
    return (
      parts.pricer.mostBilled(most, account.priceQuery(planned)) ?? account.priceAt(planned, usage, "").totalNanoUsd
    );
  }

  #kindsOf(request: CompleteRequest): MostKinds {
    this.#mostKinds ??= mostKindsOf(request, this.parts.limits.toolCallsAssumed);
    return this.#mostKinds;
  }

  /** As admission reserves it: a call whose price is not known only asks whether anything is left. */
  #mostAt(planned: PlannedTarget): bigint {
    return this.#worstOf?.([planned]) ?? 1n;
  }

  /** What routing granted ends in one way, so that the target neither stays in flight nor keeps its one probe. */
  #endGrant(planned: PlannedTarget, error: unknown): void {
    const nowMs = this.parts.clock.nowMs();
    if (error instanceof ProviderFailure) this.itinerary.failed(planned, error, nowMs);
    else this.itinerary.cancelled(planned, nowMs);
  }

  /** Tells routing how well the target served; the account has the attempt already. */
  attemptServed(
    ready: ReadyAttempt,
    open: OpenAttempt,
    seen: { readonly headers: Readonly<Record<string, string>> },
  ): void {
    const nowMs = this.parts.clock.nowMs();
    const endedMs = this.parts.clock.monotonicMs();
    const { firstContentMonotonicMs, startedMonotonicMs } = open;
    this.itinerary.observed(ready.planned, seen.headers, nowMs);
    this.itinerary.succeeded(
      ready.planned,
      {
        durationMs: endedMs - startedMonotonicMs,
        timeToFirstTokenMs:
          firstContentMonotonicMs === undefined ? undefined : firstContentMonotonicMs - startedMonotonicMs,
        outputTokens: open.record.usage?.outputTokens,
      },
      nowMs,
    );
  }

  /** Ends an attempt that did not serve, in the account and for routing, unless it has ended. Rethrow the error then. */
  attemptFailed(
    ready: ReadyAttempt,
    open: OpenAttempt,
    error: unknown,
    seen: { readonly status: number; readonly headers: Readonly<Record<string, string>> },
    usage: Usage | undefined,
    outcomeAfterContent: AttemptOutcome = AttemptOutcome.FAILED,
  ): void {
    if (open.record.outcome !== AttemptOutcome.UNSPECIFIED) return;
    const nowMs = this.parts.clock.nowMs();
    const failure = error instanceof ProviderFailure ? error : undefined;
    this.account.endAttempt(open, {
      outcome: failure === undefined ? AttemptOutcome.CANCELLED : outcomeAfterContent,
      failure,
      httpStatus: failure?.facts.httpStatus ?? seen.status,
      headers: seen.headers,
      usage,
    });
    this.itinerary.observed(ready.planned, seen.headers, nowMs);
    if (failure?.kind === "credentials-rejected" || failure?.kind === "rate-limited") {
      this.parts.credentials.refused(ready.planned.target.providerId, ready.credential, failure.kind);
    }
    this.#endGrant(ready.planned, error);
  }

  /**
   * Puts the end on record, durably, and gives back what was reserved. Rejects with `CallFailure` when it cannot. A call
   * ends once: a second end, also one because the first could not be recorded, has the outcome of the first.
   */
  end(outcome: Outcome, failure: CallFailure | undefined): Promise<void> {
    this.#ending ??= this.#endOnce(outcome, failure);
    return this.#ending;
  }

  async #endOnce(outcome: Outcome, failure: CallFailure | undefined): Promise<void> {
    const { account, parts } = this;
    this.scope.close();
    const event = account.toFinalEvent({ outcome, failure });
    this.#reservation?.settle(
      {
        inputTokens: account.usage?.inputTokens ?? 0,
        outputTokens: account.usage?.outputTokens ?? 0,
        costNanoUsd: account.cost?.totalNanoUsd ?? 0n,
      },
      parts.clock.nowMs(),
    );
    this.#onOver();
    try {
      await parts.ledger.finish(event);
    } finally {
      this.#tellObserver(event);
    }
  }

  #tellObserver(event: UsageEvent): void {
    const { account, parts } = this;
    parts.observer.finished({
      event,
      method: account.identity.method,
      caller: account.identity.caller,
      correlationId: account.identity.correlationId,
      overheadMs: account.overheadMs,
      parentSpanId: account.identity.trace.parentSpanId,
      sampled: account.identity.trace.sampled,
    });
  }

  /** The call turned out to be a replay of another: it has no life and no event of its own, but still its deadline. */
  dissolve(): void {
    this.#onOver();
  }

  /** Ends a call that failed; the failure to report, which is another one when the end could not be recorded. */
  async endFailed(error: unknown): Promise<CallFailure> {
    const failure = this.toCallFailure(error);
    const wasTried = this.account.attempts.some((attempt) => attempt.outcome !== AttemptOutcome.SKIPPED);
    try {
      await this.end(outcomeOfFailure(failure, wasTried), failure);
      return failure;
    } catch (recordError) {
      return this.toCallFailure(recordError);
    }
  }

  toCallFailure(error: unknown): CallFailure {
    if (error instanceof CallFailure) return error;
    const { attempts } = this.account;
    if (error instanceof Stopped) return failureOfStop(error, attempts);
    return new CallFailure(ErrorReason.INTERNAL, "the gateway met a fault of its own", { cause: error });
  }

  #planAndAdmit(
    request: CompleteRequest,
    streaming: boolean,
    nowMs: number,
    unitsMost: UnitsMost | undefined,
  ): Promise<void> | undefined {
    const { account, deadlineMs } = this;
    const { admission, router } = this.parts;
    const { caller } = account.identity;
    const query = { caller, request, streaming, inputTokens: account.inputTokensEstimated, nowMs, deadlineMs };
    const { fallback } = admission;
    if (fallback === undefined) {
      this.#itinerary = router.begin(query);
      return this.#admit(request, nowMs, unitsMost);
    }
    const find = (): BudgetFallback | undefined => fallback(caller, request, nowMs);
    return this.#admitWithFallback(query, find, unitsMost);
  }

  /** Admission may be the first to learn how a budget stands: then the call is planned again for where it sends it. */
  async #admitWithFallback(
    query: RouteQuery,
    find: () => BudgetFallback | undefined,
    unitsMost: UnitsMost | undefined,
  ): Promise<void> {
    const known = find();
    let refusal: unknown;
    try {
      await this.#admitTo(known, query, unitsMost);
    } catch (error) {
      if (!(error instanceof CallFailure) || error.reason !== ErrorReason.BUDGET_EXHAUSTED) throw error;
      refusal = error;
    }
    const later = find();
    if (later === undefined || later.model === known?.model) {
      if (refusal !== undefined) throw refusal;
      return;
    }
    this.#reservation?.cancel(this.parts.clock.nowMs());
    this.#reservation = undefined;
    this.#spending = undefined;
    this.account.reservedNanoUsd = 0n;
    await this.#admitTo(later, query, unitsMost);
  }

  #admitTo(
    budgetFallback: BudgetFallback | undefined,
    query: RouteQuery,
    unitsMost: UnitsMost | undefined,
  ): Promise<void> | undefined {
    this.account.budgetFallback = budgetFallback;
    this.#itinerary = this.parts.router.begin({ ...query, budgetFallback });
    return this.#admit(query.request, query.nowMs, unitsMost);
  }

  /** At once while this instance's share of limits and budgets suffices. */
  #admit(request: CompleteRequest, nowMs: number, unitsMost: UnitsMost | undefined): Promise<void> | undefined {
    const admitted = this.parts.admission.admit(this.#admissionRequest(request, unitsMost), nowMs);
    if (admitted instanceof Promise) return this.#inTime(admitted).then((reservation) => this.#admitted(reservation));
    this.#admitted(admitted);
    return undefined;
  }

  #admitted(reservation: Reservation): void {
    this.#reservation = reservation;
    const { extend, reservedNanoUsd } = reservation;
    this.account.reservedNanoUsd = reservedNanoUsd;
    if (extend !== undefined) this.#spending = new CallSpending(reservation, extend, this.account, this.parts.clock);
  }

  /** A reservation that comes after the call was stopped is given back whole. */
  async #inTime(admitted: Promise<Reservation>): Promise<Reservation> {
    try {
      return await this.scope.until(admitted);
    } catch (error) {
      if (error instanceof Stopped) admitted.then((late) => late.cancel(this.parts.clock.nowMs()), ignoreRefusal);
      throw error;
    }
  }

  #admissionRequest(request: CompleteRequest, unitsMost: UnitsMost | undefined): AdmissionRequest {
    const { account, itinerary } = this;
    const maxOutputTokens = outputTokensMax(request, itinerary.candidates, this.parts.limits.outputTokensAssumed);
    const worstOf = (candidates: readonly PlannedTarget[]): bigint | undefined => {
      const usages = usagesMost(account.inputTokensEstimated, maxOutputTokens, unitsMost);
      return worstCost(this.parts.pricer, candidates, usages, this.#kindsOf(request), (planned) =>
        account.priceQuery(planned),
      );
    };
    this.#worstOf = worstOf;
    return {
      caller: account.identity.caller,
      endUserId: request.endUserId,
      model: request.model,
      inputTokens: account.inputTokensEstimated,
      maxOutputTokens,
      deadlineMs: this.deadlineMs,
      priority: priorityByTier[request.serviceTier] ?? 1,
      worstCostNanoUsd: () => worstOf(itinerary.candidates),
    };
  }

  #giveUp(step: Extract<RouteStep, { kind: "give-up" }>): CallFailure {
    if (this.#violations.length > 0 && this.account.attempts.length === 0) {
      return new CallFailure(ErrorReason.CAPABILITY_UNSUPPORTED, "no target of the model can serve this request", {
        violations: this.#violations,
      });
    }
    return step.toFailure(this.account.attempts);
  }
}

/** Makes one attempt. Throws `ProviderFailure` when another target may do better, anything else to end the call. */
export type Attempt<Operation, Answer> = (
  ready: ReadyAttempt<Operation>,
  open: OpenAttempt,
  control: AttemptControl,
) => Promise<Answer>;

/** `undefined` in its place: the target failed, and another may do better. */
type Served<Answer> = { readonly answer: Answer };

type AttemptStep = Extract<RouteStep, { kind: "attempt" }>;

function withAttempts(failure: CallFailure, attempts: CallAccount["attempts"]): CallFailure {
  return new CallFailure(failure.reason, failure.message, { ...failure.facts, attempts });
}

/** Nothing was reserved for a call that was over anyway. */
function ignoreRefusal(): void {}

const nobody: Itinerary["skipped"] = [];

const nothingSeen = { status: 0, headers: {} } as const;

const priorityByTier: Readonly<Record<string, number>> = { priority: 2, flex: 0, batch: 0 };
