// The one standard answer, whichever model served it. The unary method sends it whole; a stream sends it in `completed`,
// less the parts.
import {
  CacheStatus,
  type CompleteRequest,
  type CompleteResponse,
  IncludeOption,
  type Part,
  Role,
} from "../contract.ts";
import type { CompletionFacts } from "../domain/completion.ts";
import { toDuration, toTimestamp } from "../metering/usage-event.ts";
import { answerWarnings } from "./answer-warnings.ts";
import type { CallAccount } from "./call-account.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";

export type Answer = {
  readonly request: CompleteRequest;
  readonly ready: ReadyAttempt;
  readonly facts: CompletionFacts;
  readonly parts: readonly Part[];
  /** Only for a unary call that asked for it. */
  readonly rawResponseJson: string;
};

export function toCompleteResponse(account: CallAccount, answer: Answer): CompleteResponse {
  const { facts, ready, request } = answer;
  const { usage, cost, timeToFirstTokenMs } = account;
  // A literal rather than `create`: the same message at a fifth of the time.
  const response: CompleteResponse = {
    $typeName: "llmgateway.v1.CompleteResponse",
    responseId: account.identity.id,
    model: ready.planned.target.model,
    createTime: toTimestamp(account.identity.startedMs),
    message: { $typeName: "llmgateway.v1.Message", role: Role.ASSISTANT, parts: answer.parts as Part[], name: "" },
    finishReason: facts.finishReason,
    providerFinishReason: facts.providerFinishReason,
    stopSequence: facts.stopSequence,
    attempts: account.attempts,
    warnings: answerWarnings(request, ready, facts.warnings, account.notices, account.budgetFallback),
    safetyFindings: [...facts.safetyFindings],
    responseCacheStatus: CacheStatus.UNSPECIFIED,
    duration: toDuration(account.durationMs),
    providerMetadata: {},
    rawResponseJson: answer.rawResponseJson,
  };
  if (usage !== undefined) response.usage = usage;
  if (cost !== undefined) response.cost = cost;
  if (timeToFirstTokenMs !== undefined) response.timeToFirstToken = toDuration(timeToFirstTokenMs);
  if (wants(request, IncludeOption.PROVIDER_METADATA)) response.providerMetadata = { ...facts.providerMetadata };
  return response;
}

/** As `completed` carries it: the parts were streamed. */
export function withoutParts(response: CompleteResponse): CompleteResponse {
  const { message } = response;
  if (message === undefined || message.parts.length === 0) return response;
  return { ...response, message: { ...message, parts: [] } };
}

export function wants(request: CompleteRequest, option: IncludeOption): boolean {
  return request.include.length > 0 && request.include.includes(option);
}
