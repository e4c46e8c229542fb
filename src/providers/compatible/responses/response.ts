import type { Completion } from "../../../domain/completion.ts";
import type { Part } from "../../../domain/contract-types.ts";
import { foldEvent } from "../../../domain/fold.ts";
import type { HttpResponse } from "../../../domain/http.ts";
import { ProviderFailure } from "../../../domain/provider-failure.ts";
import { asArray, asObject } from "../../../wire/json.ts";
import type { ReadContext } from "../../provider.ts";
import type { AnswerRules } from "../answer-rules.ts";
import { parseExactOrUndefined } from "../parse-or-undefined.ts";
import { ResponsesAnswer } from "./answer.ts";

/** Reads a whole response. Throws `ProviderFailure` when the body is none, or is a failed one. */
export function toResponsesCompletion(response: HttpResponse, rules: AnswerRules, context: ReadContext): Completion {
  const body = asObject(parseExactOrUndefined(new TextDecoder().decode(response.body)));
  if (body === undefined) throw notAResponse("it is no JSON object");
  const answer = new ResponsesAnswer(rules, context);
  const parts: Part[] = [];
  for (const event of answer.readResponse(body)) foldEvent(parts, event);
  if (asArray(body["output"]) === undefined) throw notAResponse("it has no output");
  const { events, facts } = answer.finish();
  for (const event of events) foldEvent(parts, event);
  return { ...facts, parts };
}

function notAResponse(because: string): ProviderFailure {
  return new ProviderFailure("bad-response", `the provider's answer is no response: ${because}`);
}
