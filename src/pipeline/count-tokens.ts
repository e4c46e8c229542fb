// Counts input tokens: by the provider where it counts, else by our own tokenizer, saying which. Costs nothing, and is an
// inference call all the same: one event.
import { create } from "@bufbuild/protobuf";
import {
  AttemptOutcome,
  type CompleteRequest,
  type CountTokensRequest,
  type CountTokensResponse,
  CountTokensResponseSchema,
  ErrorReason,
  Outcome,
  UsageSource,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { countInputTokens } from "../metering/count-tokens.ts";
import type { CountTokensOperation } from "../providers/provider.ts";
import { timeLimits } from "./attempt-context.ts";
import type { OpenAttempt } from "./call-account.ts";
import type { LiveCall } from "./live-call.ts";
import type { UnarySink } from "./ports.ts";
import { chatTask, type ReadyAttempt } from "./prepare-attempt.ts";
import { collectAnswer, type Seen } from "./unary-attempt.ts";
import { withoutCredential } from "./without-credential.ts";

export async function countTokens(
  call: LiveCall,
  request: CountTokensRequest,
  sink: UnarySink<CountTokensResponse>,
): Promise<void> {
  let response: CountTokensResponse;
  try {
    const counted = request.request;
    if (counted === undefined) throw new CallFailure(ErrorReason.INVALID_REQUEST, "request is required");
    await call.begin(counted, false);
    const task = { ...chatTask(counted, "unary"), mayHedge: false }; // Counting is quick, and nothing is generated.
    response = await call.serve(task, (ready, open) => countOnce(call, counted, ready, open));
    await call.end(Outcome.SUCCEEDED, undefined);
  } catch (error) {
    const failure = await call.endFailed(error);
    if (call.scope.cause !== "caller") sink.fail(failure);
    return;
  }
  sink.succeed(response);
}

async function countOnce(
  call: LiveCall,
  request: CompleteRequest,
  ready: ReadyAttempt,
  open: OpenAttempt,
): Promise<CountTokensResponse> {
  const seen: Seen = { status: 0, headers: {} };
  const operation = ready.configured.provider.countTokens;
  try {
    const inputTokens =
      operation === undefined
        ? await countInputTokens(request)
        : await countRemotely(call, request, ready, operation, seen);
    call.scope.throwIfStopped();
    call.account.endAttempt(open, {
      outcome: AttemptOutcome.SERVED,
      httpStatus: seen.status,
      headers: seen.headers,
      usage: undefined,
    });
    call.itinerary.cancelled(ready.planned, call.parts.clock.nowMs()); // A count says nothing of how fast a target generates.
    const { contextWindow } = ready.planned.target.facts;
    return create(CountTokensResponseSchema, {
      inputTokens,
      source: operation === undefined ? UsageSource.ESTIMATED : UsageSource.PROVIDER,
      ...(contextWindow === undefined ? {} : { contextWindow }),
    });
  } catch (thrown) {
    const error = withoutCredential(thrown, ready.credential);
    call.attemptFailed(ready, open, error, seen, undefined);
    throw error;
  }
}

async function countRemotely(
  call: LiveCall,
  request: CompleteRequest,
  ready: ReadyAttempt,
  operation: CountTokensOperation,
  seen: Seen,
): Promise<number> {
  const { target } = ready.planned;
  const translation = operation.toHttpRequest(request, { model: target.model, facts: target.facts });
  if (translation.kind === "unsupported") return countInputTokens(request);
  const { provider } = ready.configured;
  const signed = await provider.authorise(translation.request, ready.credential, call.parts.clock.nowMs());
  const response = await collectAnswer(
    call.parts,
    call.scope,
    { ...ready, request: signed },
    timeLimits(ready, request, "unary"),
    seen,
  );
  if (response.status < 200 || response.status >= 300) {
    throw provider.toFailure(response.status, response.headers, response.body);
  }
  return operation.fromHttpResponse(response);
}
