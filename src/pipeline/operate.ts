// The life of a unary operation that is not chat, top to bottom: as `complete.ts`, but an attempt may be several requests,
// and what is billed may be other than tokens.
import { AttemptOutcome, type CompleteRequest, FinishReason, Outcome, type Usage, UsageSource } from "../contract.ts";
import type { HttpRequest } from "../domain/http.ts";
import type { OperationFacts } from "../domain/operation-results.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { sumUsage } from "../metering/sum-usage.ts";
import type { TranslationContext, UnaryOperation } from "../providers/provider.ts";
import { timeLimits } from "./attempt-context.ts";
import type { AttemptLimits } from "./attempt-timer.ts";
import type { OpenAttempt } from "./call-account.ts";
import { firstPriced } from "./first-priced.ts";
import type { LiveCall } from "./live-call.ts";
import type { Operation, OperationRequest } from "./operation.ts";
import type { UnarySink } from "./ports.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { toResponseInfo } from "./response-info.ts";
import { collectAnswer, type Seen, timeoutFailure } from "./unary-attempt.ts";

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
      operationOf: operation.of,
      translate: (one: UnaryOperation<Request, Result>, context: TranslationContext) =>
        one.toHttpRequest(request, context),
    };
    response = await call.serve(task, (ready, open) =>
      new OperationAttempt(call, operation, request, view, ready, open).run(),
    );
    await call.end(Outcome.SUCCEEDED, undefined);
  } catch (error) {
    const failure = await call.endFailed(error);
    if (call.scope.cause === "caller") onCancelled();
    else sink.fail(failure);
    return;
  }
  sink.succeed(response);
}

/** One attempt at one target: its requests one after the other, each within what is left of the attempt's time. */
class OperationAttempt<Request extends OperationRequest, Result extends OperationFacts, Response> {
  readonly #call: LiveCall;
  readonly #operation: Operation<Request, Result, Response>;
  readonly #request: Request;
  readonly #view: CompleteRequest;
  readonly #ready: ReadyAttempt<UnaryOperation<Request, Result>>;
  readonly #open: OpenAttempt;
  readonly #seen: Seen = { status: 0, headers: {} };
  readonly #results: Result[] = [];

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
  }

  async run(): Promise<Response> {
    try {
      await this.#send(this.#ready.request);
      for (const request of this.#ready.rest) await this.#send(await this.#signed(request));
      const joined = this.#operation.join(this.#results, this.#request);
      this.#served();
      const warnings = this.#results.flatMap((result) => result.warnings);
      return this.#operation.toResponse(joined, toResponseInfo(this.#call.account, this.#view, this.#ready, warnings));
    } catch (error) {
      this.#call.attemptFailed(this.#ready, this.#open, error, this.#seen, this.#consumedWithoutAnswer(error));
      throw error;
    }
  }

  async #send(request: HttpRequest): Promise<void> {
    const { parts, scope } = this.#call;
    const { configured, operation, planned } = this.#ready;
    scope.throwIfStopped();
    this.#seen.status = 0;
    const response = await collectAnswer(parts, scope, { ...this.#ready, request }, this.#limits(), this.#seen);
    if (response.status < 200 || response.status >= 300) {
      throw configured.provider.toFailure(response.status, response.headers, response.body);
    }
    const { model, facts } = planned.target;
    this.#results.push(operation.fromHttpResponse(response, this.#request, { model, facts }));
    this.#call.account.contentSeen(this.#open);
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
    account.contentSeen(this.#open);
    account.endAttempt(this.#open, {
      outcome: AttemptOutcome.SERVED,
      httpStatus: status,
      headers,
      usage: this.#reportedUsage() ?? this.#estimate(),
      facts: {
        responseModel: this.#results[0]?.responseModel ?? "",
        serviceTier: "",
        finishReason: FinishReason.UNSPECIFIED,
      },
    });
    this.#call.attemptServed(this.#ready, this.#open, this.#seen);
  }

  /** `undefined` unless every answer had a count: a sum that lacks one would be too low, and look exact. */
  #reportedUsage(): Usage | undefined {
    const usages = this.#results.map(({ usage }) => usage);
    return usages.every((usage) => usage !== undefined) ? sumUsage(usages) : undefined;
  }

  /** In the units that the target bills, as far as its prices tell. */
  #estimate(): Usage | undefined {
    const { account, parts } = this.#call;
    const { providerId, providerName, model } = this.#ready.planned.target;
    const usages = this.#operation.unitsMost(this.#request, account.inputTokensEstimated);
    const { usage } = firstPriced(parts.pricer, usages, {
      providerId,
      providerName,
      model,
      projectId: account.identity.caller.projectId,
      serviceTier: "",
      atMs: parts.clock.nowMs(),
    });
    return usage === undefined ? undefined : { ...usage, source: UsageSource.ESTIMATED };
  }

  /** What finished is billed. Of the rest: a provider that was cut off while it worked bills its input, one that refused does not. */
  #consumedWithoutAnswer(error: unknown): Usage | undefined {
    if (this.#results.length > 0) return sumUsage(this.#results.map(({ usage }) => usage));
    const kind = error instanceof ProviderFailure ? error.kind : undefined;
    const wasRefused =
      this.#seen.status >= 300 || kind === "unavailable" || kind === "overloaded" || kind === "bad-response";
    return wasRefused ? undefined : this.#estimate();
  }
}
