import type { Completion } from "../../domain/completion.ts";
import type { Part } from "../../domain/contract-types.ts";
import { foldEvent } from "../../domain/fold.ts";
import type { HttpResponse } from "../../domain/http.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { asArray, asObject, type JsonRecord } from "../../wire/json.ts";
import type { ReadContext } from "../provider.ts";
import { Answer } from "./answer.ts";
import type { AnswerRules } from "./answer-rules.ts";
import { parseOrUndefined } from "./parse-or-undefined.ts";

/** Reads a whole chat completion. Throws `ProviderFailure` when the body is none, or is an error with status 200. */
export function toCompletion(response: HttpResponse, rules: AnswerRules, context: ReadContext): Completion {
  const body = parseBody(response.body);
  const answer = new Answer(rules, context, true);
  const parts: Part[] = [];
  for (const event of answer.read(body)) foldEvent(parts, event);
  if (asArray(body["choices"])?.length === undefined) throw notAnAnswer("it has no choices");
  const { events, facts } = answer.finish();
  for (const event of events) foldEvent(parts, event);
  return { ...facts, parts };
}

/** Keep-alive lines of spaces may stand before the JSON (OpenRouter, in half of the recordings). */
function parseBody(body: Uint8Array): JsonRecord {
  const record = asObject(parseOrUndefined(new TextDecoder().decode(body)));
  if (record === undefined) throw notAnAnswer("it is no JSON object");
  return record;
}

function notAnAnswer(because: string): ProviderFailure {
  return new ProviderFailure("bad-response", `the provider's answer is no chat completion: ${because}`);
}
