import { create } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  type ResponseInfo,
  ResponseInfoSchema,
  type Warning,
  WarningKind,
  WarningSchema,
} from "../contract.ts";
import { toTimestamp } from "../metering/usage-event.ts";
import { answerWarnings } from "./answer-warnings.ts";
import type { CallAccount } from "./call-account.ts";
import { toOperationField } from "./operation-field.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";

/** What every answer that is no chat says of itself, after its attempt has ended in the account. */
export function toResponseInfo(
  account: CallAccount,
  request: CompleteRequest,
  ready: ReadyAttempt,
  ofAnswer: readonly Warning[],
): ResponseInfo {
  const { usage, cost, identity } = account;
  const info = create(ResponseInfoSchema, {
    responseId: identity.id,
    model: ready.planned.target.model,
    createTime: toTimestamp(identity.startedMs),
    warnings: distinct(
      answerWarnings(request, ready, ofAnswer, account.notices, account.budgetFallback).map(inOwnWords),
    ),
  });
  if (usage !== undefined) info.usage = usage;
  if (cost !== undefined) info.cost = cost;
  info.attempts = account.attempts;
  return info;
}

/** What the deployment lacks is said in the words of a completion: here the field stands in `context`. */
function inOwnWords(warning: Warning): Warning {
  return { ...warning, field: toOperationField(warning.field, warning.field) };
}

/** Audio is too large to be kept for 24 hours on the chance that it is asked for again. */
export function requestIdIgnored({ requestId }: CompleteRequest): readonly Warning[] {
  if (requestId === "") return [];
  const message = "speech is not remembered: the same id makes it, and costs it, again";
  return [create(WarningSchema, { kind: WarningKind.PARAMETER_DROPPED, field: "context.request_id", message })];
}

/** Several requests of one attempt say the same. */
function distinct(warnings: readonly Warning[]): Warning[] {
  const seen = new Set<string>();
  return warnings.filter(({ kind, field, message }) => {
    const key = `${kind}\n${field}\n${message}`;
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}
