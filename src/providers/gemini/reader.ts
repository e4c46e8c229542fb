import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asArray, asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { WireEvent } from "../../wire/wire-event.ts";
import type { EventReader, ReadContext } from "../provider.ts";
import { createAnswerAssembler } from "./answer-assembler.ts";
import { toFailureInside } from "./failure.ts";

/**
 * Reads `streamGenerateContent`, as SSE or as the JSON array that comes without `alt=sse`. The stream has no end of its
 * own: it is complete when its bytes end after a reason to finish.
 */
export function createGenerateReader(context: ReadContext, stateProvider: string): EventReader {
  const answer = createAnswerAssembler(context, stateProvider);

  return {
    read(event) {
      for (const chunk of parseChunks(event)) {
        if (chunk["error"] !== undefined) throw toFailureInside(chunk);
        answer.add(chunk);
      }
      return answer.take();
    },
    isDone: () => false,
    finish() {
      if (!answer.isFinished) throw new ProviderFailure("interrupted", "the stream ended before a reason to finish");
      answer.close();
      return { events: answer.take(), facts: answer.facts() };
    },
    usage: () => answer.usage(),
  };
}

/** None for what is no JSON, such as "[DONE]", which some gateways add. */
function parseChunks(event: WireEvent): readonly JsonRecord[] {
  try {
    const parsed = parseExactJson(event.data);
    return (asArray(parsed) ?? [parsed]).map((chunk) => asObject(chunk) ?? {});
  } catch (error) {
    if (error instanceof JsonError && !/^\s*\{/.test(event.data)) return [];
    throw new ProviderFailure("bad-response", "an event of the stream is no JSON", { cause: error });
  }
}
