import type { Part } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { ReadContext } from "../provider.ts";
import { Answer } from "./answer.ts";
import { parseLine } from "./reader.ts";

/** A whole answer of `/api/chat`. Throws `ProviderFailure` when the body is none, or is an error. */
export function fromChatResponse(body: Uint8Array, context: ReadContext): Completion {
  const answer = new Answer(context);
  const parts: Part[] = [];
  for (const event of answer.read(parseLine(new TextDecoder().decode(body)))) foldEvent(parts, event);
  if (!answer.isFinished) throw new ProviderFailure("bad-response", "the provider's answer is no finished chat");
  const { events, facts } = answer.finish();
  for (const event of events) foldEvent(parts, event);
  return { ...facts, parts };
}
