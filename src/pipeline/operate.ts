// The life of a unary operation that is not chat, top to bottom: as `complete.ts`, but an attempt may be several requests,
// and what is billed may be other than tokens.
import { AttemptOutcome, type CompleteRequest, FinishReason, Outcome, type Usage } from "../contract.ts";
import type { HttpRequest } from "../domain/http.ts";
import type { OperationFacts } from "../domain/operation-results.ts";
import { sumUsage } from "../metering/sum-usage.ts";
import type { TranslationContext, UnaryOperation } from "../providers/provider.ts";
import { timeLimits } from "./attempt-context.ts";
import type { AttemptLimits } from "./attempt-timer.ts";
import type { OpenAttempt } from "./call-account.ts";
import { type CallScope, Stopped } from "./call-scope.ts";
import { estimateOperation } from "./estimate-operation.ts";
import { hasConsumed } from "./has-consumed.ts";
import type { AttemptControl } from "./hedged-race.ts";
import type { LiveCall } from "./live-call.ts";
import type { Operation, OperationRequest } from "./operation.ts";
import { inOperationWords } from "./operation-field.ts";
import type { UnarySink } from "./ports.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { toResponseInfo } from "./response-info.ts";
import { runInLanes } from "./run-in-lanes.ts";
import { collectAnswer, type Seen, timeoutFailure } from "./unary-attempt.ts";
import { withoutCredential } from "./without-credential.ts";

/**
 * Ends in exactly one of `sink.succeed`, `sink.fail` and, when the caller has gone, `onCancelled`. `view`: the request as
 * `toCompleteRequest` gives it.
 */
export async function operate<Request extends OperationRequest, Result extends OperationFacts, Response>(
  call: LiveCall,
  operation: Operation<Request, Result, Response>,
  request: Request,
  view: CompleteRequest,
  sink: UnarySink<Response>,
  onCancelled: () => void = () => {},
): Promise<void> {
  let response: Response;
  try {
    await call.begin(view, false, (inputTokens) => operation.unitsMost(request, inputTokens));
    const task = {
      isStrict: false, // `RequestContext` has no policy for parameters that a target lacks.
      mayHedge: true,
      operationOf: operation.of,
      translate: (one: UnaryOperation<Request, Result>, context: TranslationContext) =>
        one.toHttpRequest(request, context),
    };
    response = await call.serve(task, (ready, open, control) =>
      new OperationAttempt(call, operation, request, view, ready, open).run(control),
    );
    await call.end(Outcome.SUCCEEDED, undefined);
  } catch (error) {
    const failure = await call.endFailed(inOperationWords(error, operation.inputField));
    if (call.scope.cause === "caller") onCancelled();
    else sink.fail(failure);
    return;
  }
  sink.succeed(response);
}

/** Requests of one attempt that are under way at once. */
const requestsAtOnceMax = 4;

/** One attempt at one target: its requests a few at a time, each within what is left of the attempt's time. */
class OperationAttempt<Request extends OperationRequest, Result extends OperationFacts, Response> {
  readonly #call: LiveCall;
  readonly #operation: Operation<Request, Result, Response>;
  readonly #request: Request;
  readonly #view: CompleteRequest;
  readonly #ready: ReadyAttempt<UnaryOperation<Request, Result>>;
  readonly #open: OpenAttempt;
  /** Of the answer that came last, or of the one that failed. */
  #seen: Seen = { status: 0, headers: {} };
  /** In the order of the requests; `undefined`: not answered yet. */
  readonly #results: (Result | undefined)[];

  constructor(
    call: LiveCall,
    operation: Operation<Request, Result, Response>,
    request: Request,
    view: CompleteRequest,
    ready: ReadyAttempt<UnaryOperation<Request, Result>>,
    open: OpenAttempt,
  ) {
    this.#call = call;
    this.#operation = operation;
    this.#request = request;
    this.#view = view;
    this.#ready = ready;
    this.#open = open;
    this.#results = [undefined, ...ready.rest.map(() => undefined)];
  }

  async run(control: AttemptControl): Promise<Response> {
    try {
      await runInLanes(
        [this.#ready.request, ...this.#ready.rest],
        requestsAtOnceMax,
        control.scope,
        async (request, index, scope) => {
          // The first one was signed when the attempt was prepared.
          this.#results[index] = await this.#send(index === 0 ? request : await this.#signed(request), scope);
        },
      );
      if (!control.claim()) throw new Stopped("hedge");
      const joined = this.#operation.join(this.#answered, this.#request);
      this.#served();
      const warnings = this.#answered.flatMap((result) => result.warnings);
      return this.#operation.toResponse(joined, toResponseInfo(this.#call.account, this.#view, this.#ready, warnings));
    } catch (error) {
      this.#call.attemptFailed(this.#ready, this.#open, error, this.#seen, this.#consumedWithoutAnswer(error));
      throw error;
    }
  }

  async #send(request: HttpRequest, scope: CallScope): Promise<Result> {
    const { configured, operation, planned } = this.#ready;
    const seen: Seen = { status: 0, headers: {} };
    try {
      scope.throwIfStopped();
      const ready = { ...this.#ready, request };
      const response = await collectAnswer(this.#call.parts, scope, ready, this.#limits(), seen);
      if (response.status < 200 || response.status >= 300) {
        throw configured.provider.toFailure(response.status, response.headers, response.body);
      }
      const { model, facts } = planned.target;
      return operation.fromHttpResponse(response, this.#request, { model, facts });
    } catch (error) {
      throw withoutCredential(error, this.#ready.credential);
    } finally {
      // Requests that are stopped because another failed leave its facts alone.
      if (scope.cause !== "hedge") this.#seen = seen;
    }
  }

  get #answered(): readonly Result[] {
    return this.#results.filter((result) => result !== undefined);
  }

  #signed(request: HttpRequest): HttpRequest | Promise<HttpRequest> {
    const { configured, credential } = this.#ready;
    return configured.provider.authorise(request, credential, this.#call.parts.clock.nowMs());
  }

  #limits(): AttemptLimits {
    const limits = timeLimits(this.#ready, this.#view, "unary");
    const totalMs = limits.totalMs - (this.#call.parts.clock.monotonicMs() - this.#open.startedMonotonicMs);
    if (totalMs <= 0) throw timeoutFailure("total");
    return { ...limits, totalMs };
  }

  #served(): void {
    const { account } = this.#call;
    const { status, headers } = this.#seen;
    account.endAttempt(this.#open, {
      outcome: AttemptOutcome.SERVED,
      httpStatus: status,
      headers,
      usage: this.#reportedUsage() ?? this.#estimate(),
      facts: {
        responseModel: this.#answered[0]?.responseModel ?? "",
        serviceTier: "",
        finishReason: FinishReason.UNSPECIFIED,
      },
    });
    this.#call.attemptServed(this.#ready, this.#open, this.#seen);
  }

  /** `undefined` unless every answer had a count: a sum that lacks one would be too low, and look exact. */
  #reportedUsage(): Usage | undefined {
    const usages = this.#answered.map(({ usage }) => usage);
    return usages.every((usage) => usage !== undefined) ? sumUsage(usages) : undefined;
  }

  /** In the units that the target bills, as far as its prices tell. */
  #estimate(): Usage | undefined {
    const usages = this.#operation.unitsMost(this.#request, this.#call.account.inputTokensEstimated);
    return estimateOperation(this.#call, this.#ready, usages);
  }

  /** What finished is billed. Of the rest: a provider that was cut off while it worked bills its input, one that refused does not. */
  #consumedWithoutAnswer(error: unknown): Usage | undefined {
    if (this.#answered.length > 0) return sumUsage(this.#answered.map(({ usage }) => usage));
    return hasConsumed(error, this.#seen) ? this.#estimate() : undefined;
  }
}
