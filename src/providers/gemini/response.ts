import type { Part } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asArray, asNumber, asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { ReadContext } from "../provider.ts";
import { createAnswerAssembler } from "./answer-assembler.ts";
import { toFailureInside } from "./failure.ts";

/** A whole answer. Throws `ProviderFailure` when it is none, when the prompt was blocked, or for an error inside. */
export function fromGenerateResponse(body: Uint8Array, context: ReadContext, stateProvider: string): Completion {
  const answer = createAnswerAssembler(context, stateProvider);
  for (const chunk of parseBody(body)) {
    if (chunk["error"] !== undefined) throw toFailureInside(chunk);
    answer.add(chunk);
  }
  if (!answer.isFinished && answer.usage() === undefined) {
    throw new ProviderFailure("bad-response", "the answer has neither candidates nor counts");
  }
  answer.close();
  const parts: Part[] = [];
  for (const event of answer.take()) foldEvent(parts, event);
  return { ...answer.facts(), parts };
}

/** Answer of `countTokens`. */
export function fromTokenCount(body: Uint8Array): number {
  const count = asNumber(parseBody(body)[0]?.["totalTokens"]);
  if (count === undefined) throw new ProviderFailure("bad-response", "the answer holds no count");
  return count;
}

/** One object; or, from an endpoint that streams, an array of them. */
function parseBody(body: Uint8Array): readonly JsonRecord[] {
  try {
    const parsed = parseExactJson(new TextDecoder().decode(body));
    const chunks = (asArray(parsed) ?? [parsed]).map(asObject);
    const objects = chunks.filter((chunk) => chunk !== undefined);
    if (objects.length > 0 && objects.length === chunks.length) return objects;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw new ProviderFailure("bad-response", "the answer is no JSON object");
}
