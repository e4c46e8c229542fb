// The one standard answer, whichever model served it. The unary method sends it whole; a stream sends it in `completed`,
// less the parts.
import { create } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  type CompleteResponse,
  CompleteResponseSchema,
  IncludeOption,
  MessageSchema,
  type Part,
  ResponseCacheMode,
  Role,
  type Warning,
  WarningKind,
  WarningSchema,
} from "../contract.ts";
import type { CompletionFacts } from "../domain/completion.ts";
import { toDuration, toTimestamp } from "../metering/usage-event.ts";
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
  const response = create(CompleteResponseSchema);
  response.responseId = account.identity.id;
  response.model = ready.planned.target.model;
  response.createTime = toTimestamp(account.identity.startedMs);
  const message = create(MessageSchema);
  message.role = Role.ASSISTANT;
  message.parts = answer.parts as Part[];
  response.message = message;
  response.finishReason = facts.finishReason;
  response.providerFinishReason = facts.providerFinishReason;
  response.stopSequence = facts.stopSequence;
  if (usage !== undefined) response.usage = usage;
  if (cost !== undefined) response.cost = cost;
  response.attempts = account.attempts;
  response.warnings = warningsOf(request, ready, facts);
  response.safetyFindings = [...facts.safetyFindings];
  response.duration = toDuration(account.durationMs);
  if (timeToFirstTokenMs !== undefined) response.timeToFirstToken = toDuration(timeToFirstTokenMs);
  if (wants(request, IncludeOption.PROVIDER_METADATA)) response.providerMetadata = { ...facts.providerMetadata };
  response.rawResponseJson = answer.rawResponseJson;
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

function warningsOf(request: CompleteRequest, ready: ReadyAttempt, facts: CompletionFacts): Warning[] {
  const warnings = [...ready.warnings, ...facts.warnings];
  if (ready.planned.modelId !== request.model) {
    warnings.push(
      create(WarningSchema, {
        kind: WarningKind.MODEL_FALLBACK,
        field: "model",
        message: `answered by ${ready.planned.modelId}`,
      }),
    );
  }
  const cacheMode = request.responseCache?.mode ?? ResponseCacheMode.UNSPECIFIED;
  if (cacheMode !== ResponseCacheMode.UNSPECIFIED && cacheMode !== ResponseCacheMode.OFF) {
    warnings.push(
      create(WarningSchema, {
        kind: WarningKind.PARAMETER_DROPPED,
        field: "response_cache.mode",
        message: "this deployment has no response cache",
      }),
    );
  }
  return warnings;
}
