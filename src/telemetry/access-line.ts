// One line of the log for each call: who, what, where, how long, how much, how it ended. Built by hand, since it runs on
// every call: 1.1 µs against 2.1 µs through pino's serialiser (measured 2026-11-24). Ids and numbers only: no content,
// no secret, no text of a provider.
import type { Attempt } from "../contract.ts";
import { AttemptOutcome } from "../contract.ts";
import type { CallRecord } from "../pipeline/ports.ts";
import { toMilliseconds } from "./event-times.ts";
import { attemptOutcomeWords, finishReasonWords, outcomeWords, reasonWords, wordOf } from "./event-words.ts";

const attemptsMax = 8;
const textLengthMax = 200;
const plainText = /^[\w ./:@+=-]*$/;

/** JSON with its "\n". `nowMs`: Unix milliseconds, the time of the line. */
export function formatAccessLine(record: CallRecord, nowMs: number): string {
  const { event, caller } = record;
  const { usage, attempts } = event;
  return (
    `{"level":30,"time":${nowMs},"msg":"call","method":"${record.method}"` +
    text("outcome", wordOf(outcomeWords, event.outcome)) +
    number("code", event.statusCode) +
    text("reason", wordOf(reasonWords, event.errorReason)) +
    text("finish", wordOf(finishReasonWords, event.finishReason)) +
    text("response_id", event.responseId) +
    text("correlation_id", record.correlationId) +
    text("trace_id", event.traceId) +
    text("span_id", event.spanId) +
    text("organisation", caller.organisationId) +
    text("team", caller.teamId) +
    text("project", caller.projectId) +
    text("key", caller.keyId) +
    text("service", caller.service) +
    text("requested_model", event.requestedModel) +
    text("model", event.model) +
    text("provider", event.provider) +
    number("input_tokens", usage?.inputTokens) +
    number("output_tokens", usage?.outputTokens) +
    number("cache_read_input_tokens", usage?.cacheReadInputTokens) +
    number("reasoning_output_tokens", usage?.reasoningOutputTokens) +
    number("cost_nano_usd", event.cost?.totalNanoUsd) +
    number("duration_ms", rounded(toMilliseconds(event.duration))) +
    number("first_token_ms", rounded(toMilliseconds(event.timeToFirstToken))) +
    number("overhead_ms", rounded(record.overheadMs)) +
    number("attempts", attempts.length) +
    (isPlain(attempts) ? "" : failedAttempts(attempts)) +
    "}\n"
  );
}

/** A member with its comma; nothing for "". */
function text(name: string, value: string): string {
  if (value === "") return "";
  const cut = value.length > textLengthMax ? value.slice(0, textLengthMax) : value;
  return `,"${name}":${plainText.test(cut) ? `"${cut}"` : JSON.stringify(cut)}`;
}

/** A member with its comma; nothing for what is not known. */
function number(name: string, value: number | bigint | undefined): string {
  return value === undefined ? "" : `,"${name}":${value}`;
}

/** To the microsecond. */
function rounded(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.round(milliseconds * 1000) / 1000;
}

function isPlain(attempts: readonly Attempt[]): boolean {
  return attempts.every((attempt) => attempt.outcome === AttemptOutcome.SERVED);
}

/** The attempts that did not serve, the last ones when there are many. */
function failedAttempts(attempts: readonly Attempt[]): string {
  const failed = attempts.filter((attempt) => attempt.outcome !== AttemptOutcome.SERVED).slice(-attemptsMax);
  const written = failed.map(
    (attempt) =>
      `{"number":${attempt.number}` +
      text("target", attempt.targetId) +
      text("outcome", wordOf(attemptOutcomeWords, attempt.outcome)) +
      text("reason", wordOf(reasonWords, attempt.errorReason)) +
      number("status", attempt.httpStatus === 0 ? undefined : attempt.httpStatus) +
      number("duration_ms", rounded(toMilliseconds(attempt.duration))) +
      "}",
  );
  return `,"failed_attempts":[${written.join(",")}]`;
}
