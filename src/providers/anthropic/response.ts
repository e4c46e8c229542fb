import type { Part } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asArray, asNumber, asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { ReadContext } from "../provider.ts";
import { toStreamFailure } from "./failure.ts";
import { createMessageAssembler, readWholeMessage } from "./message-assembler.ts";

/** A whole message. Throws `ProviderFailure` when the body is none, or an error in spite of its status. */
export function fromMessage(body: Uint8Array, context: ReadContext): Completion {
  const message = parseBody(body);
  if (message["error"] !== undefined) throw toStreamFailure(message);
  if (asArray(message["content"]) === undefined) throw new ProviderFailure("bad-response", "the answer has no content");
  const assembler = createMessageAssembler(context);
  readWholeMessage(assembler, message);
  assembler.close();
  const parts: Part[] = [];
  for (const event of assembler.take()) foldEvent(parts, event);
  return { ...assembler.facts(), parts };
}

/** Answer of `/v1/messages/count_tokens`. */
export function fromTokenCount(body: Uint8Array): number {
  const count = asNumber(parseBody(body)["input_tokens"]);
  if (count === undefined) throw new ProviderFailure("bad-response", "the answer holds no count");
  return count;
}

function parseBody(body: Uint8Array): JsonRecord {
  try {
    const message = asObject(parseExactJson(new TextDecoder().decode(body)));
    if (message !== undefined) return message;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw new ProviderFailure("bad-response", "the answer is no JSON object");
}
