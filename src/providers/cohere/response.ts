import type { Part } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asArray, asObject, asString, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { ReadContext } from "../provider.ts";
import { Answer } from "./answer.ts";

/** A whole answer of the chat API. Throws `ProviderFailure` when the body is none, or says that it failed. */
export function fromChatResponse(body: Uint8Array, context: ReadContext): Completion {
  const { id, message: given, logprobs, ...end } = parseBody(body);
  const message = asObject(given);
  const answer = new Answer(context);
  answer.begin(id);
  answer.end(end);
  if (message === undefined) throw new ProviderFailure("bad-response", "the answer has no message");
  readMessage(answer, message, logprobs);
  answer.close();
  const parts: Part[] = [];
  for (const event of answer.take()) foldEvent(parts, event);
  return { ...answer.facts(), parts };
}

/** In the order in which a stream has them: thinking, plan, text, calls, citations. */
function readMessage(answer: Answer, message: JsonRecord, logprobs: unknown): void {
  const blocks = contentOf(message).map((block, position) => ({ block, position }));
  const isThinking = ({ block }: { readonly block: JsonRecord }) => block["type"] === "thinking";
  for (const { block, position } of blocks.filter(isThinking)) answer.content(position, block, undefined);
  answer.plan(message["tool_plan"]);
  let tokens = logprobs;
  for (const { block, position } of blocks.filter((one) => !isThinking(one))) {
    answer.content(position, block, tokens);
    tokens = undefined; // They are those of the whole text, which is one block.
  }
  for (const [position, call] of (asArray(message["tool_calls"]) ?? []).entries()) {
    answer.toolCall(position, asObject(call) ?? {});
  }
  for (const citation of asArray(message["citations"]) ?? []) answer.cite(citation);
}

/** A list of blocks; a private deployment may send the text alone. */
function contentOf(message: JsonRecord): readonly JsonRecord[] {
  const text = asString(message["content"]);
  if (text !== undefined) return [{ type: "text", text }];
  return (asArray(message["content"]) ?? []).map((block) => asObject(block) ?? {});
}

function parseBody(body: Uint8Array): JsonRecord {
  try {
    const answer = asObject(parseExactJson(new TextDecoder().decode(body)));
    if (answer !== undefined) return answer;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw new ProviderFailure("bad-response", "the answer is no JSON object");
}
