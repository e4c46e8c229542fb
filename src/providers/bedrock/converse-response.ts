import type { Part } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asArray, asNumber, asObject, asString, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { ReadContext } from "../provider.ts";
import { ConverseAnswer } from "./converse-answer.ts";

/** A whole answer of Converse. Throws `ProviderFailure` when the body is none. */
export function fromConverse(body: Uint8Array, context: ReadContext): Completion {
  const response = parseBody(body);
  const content = asArray(asObject(asObject(response["output"])?.["message"])?.["content"]);
  if (content === undefined) throw new ProviderFailure("bad-response", "the answer has no message");
  const answer = new ConverseAnswer(context);
  for (const [position, block] of content.entries()) readBlock(answer, position, asObject(block) ?? {});
  answer.stop(response);
  answer.metadata(response);
  answer.close();
  const parts: Part[] = [];
  for (const event of answer.take()) foldEvent(parts, event);
  return { ...answer.facts(), parts };
}

/** Answer of CountTokens. */
export function fromTokenCount(body: Uint8Array): number {
  const count = asNumber(parseBody(body)["inputTokens"]);
  if (count === undefined) throw new ProviderFailure("bad-response", "the answer holds no count");
  return count;
}

/** As the events of a stream would have brought it. */
function readBlock(answer: ConverseAnswer, position: number, block: JsonRecord): void {
  const [kind, value] = Object.entries(block)[0] ?? [];
  const inner = asObject(value) ?? {};
  switch (kind) {
    case undefined:
      return;
    case "text":
      answer.blockDelta(position, { text: value });
      break;
    case "reasoningContent":
      answer.blockDelta(position, { reasoningContent: asObject(inner["reasoningText"]) ?? inner });
      break;
    case "citationsContent":
      readCitations(answer, position, inner);
      break;
    case "toolUse": {
      const { input, ...start } = inner;
      answer.blockStart(position, { toolUse: start });
      answer.blockDelta(position, { toolUse: { input: JSON.stringify(input ?? {}) } });
      break;
    }
    case "toolResult": {
      const { content, ...start } = inner;
      answer.blockStart(position, { toolResult: start });
      answer.blockDelta(position, { toolResult: content });
      break;
    }
    case "image":
      answer.image(inner);
      break;
    default:
      answer.unknownBlock(kind, value);
  }
  answer.blockStop(position);
}

function readCitations(answer: ConverseAnswer, position: number, block: JsonRecord): void {
  for (const piece of asArray(block["content"]) ?? []) {
    answer.blockDelta(position, { text: asString(asObject(piece)?.["text"]) ?? "" });
  }
  for (const citation of asArray(block["citations"]) ?? []) answer.blockDelta(position, { citation });
}

function parseBody(body: Uint8Array): JsonRecord {
  try {
    const response = asObject(parseExactJson(new TextDecoder().decode(body)));
    if (response !== undefined) return response;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw new ProviderFailure("bad-response", "the answer is no JSON object");
}
