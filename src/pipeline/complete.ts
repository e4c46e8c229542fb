// The life of a unary completion, top to bottom.
import {
  AttemptOutcome,
  type CompleteRequest,
  type CompleteResponse,
  IncludeOption,
  Outcome,
  type Usage,
} from "../contract.ts";
import type { ChatOperation } from "../providers/provider.ts";
import { readContextOf, timeLimits } from "./attempt-context.ts";
import type { OpenAttempt } from "./call-account.ts";
import { Stopped } from "./call-scope.ts";
import { toCompleteResponse, wants } from "./complete-response.ts";
import { estimateUsage } from "./estimated-usage.ts";
import { hasConsumed } from "./has-consumed.ts";
import type { AttemptControl } from "./hedged-race.ts";
import type { LiveCall } from "./live-call.ts";
import type { UnarySink } from "./ports.ts";
import { chatTask, type ReadyAttempt } from "./prepare-attempt.ts";
import { collectAnswer, readCompletion, type Seen } from "./unary-attempt.ts";

/** Ends in exactly one of `sink.succeed`, `sink.fail` and, when the caller has gone, `onCancelled`. */
export async function complete(
  call: LiveCall,
  request: CompleteRequest,
  sink: UnarySink<CompleteResponse>,
  onCancelled: () => void = () => {},
): Promise<void> {
  let response: CompleteResponse;
  try {
    await call.begin(request, false);
    response = await call.serve(chatTask(request, "unary"), (ready, open, control) =>
      attemptOnce(call, request, ready, open, control),
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

async function attemptOnce(
  call: LiveCall,
  request: CompleteRequest,
  ready: ReadyAttempt<ChatOperation>,
  open: OpenAttempt,
  control: AttemptControl,
): Promise<CompleteResponse> {
  const { parts, account } = call;
  const seen: Seen = { status: 0, headers: {} };
  let usage: Usage | undefined;
  try {
    const limits = timeLimits(ready, request, "unary");
    const response = await collectAnswer(parts, control.scope, ready, limits, seen);
    const completion = readCompletion(ready, response, readContextOf(call, request, ready));
    usage = completion.usage ?? estimateUsage(undefined, account.inputTokensEstimated, charactersOf(completion.parts));
    if (!control.claim()) throw new Stopped("hedge");
    account.contentSeen(open);
    account.endAttempt(open, {
      outcome: AttemptOutcome.SERVED,
      httpStatus: seen.status,
      headers: seen.headers,
      usage,
      facts: completion,
    });
    call.attemptServed(ready, open, seen);
    const rawResponseJson = wants(request, IncludeOption.RAW_RESPONSE)
      ? Buffer.from(response.body).toString("utf8")
      : "";
    return toCompleteResponse(account, { request, ready, facts: completion, parts: completion.parts, rawResponseJson });
  } catch (error) {
    // One that finished second has consumed what it says.
    if (hasConsumed(error, seen)) usage ??= estimateUsage(undefined, account.inputTokensEstimated, 0);
    call.attemptFailed(ready, open, error, seen, usage);
    throw error;
  }
}

function charactersOf(
  parts: readonly { readonly content: { readonly case: string | undefined; readonly value?: unknown } }[],
): number {
  let characters = 0;
  for (const { content } of parts) {
    const value = content.value as { text?: string; argumentsJson?: string } | undefined;
    characters += (value?.text?.length ?? 0) + (value?.argumentsJson?.length ?? 0);
  }
  return characters;
}
