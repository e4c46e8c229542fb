import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { StreamEvent } from "../../domain/stream-event.ts";
import { asObject } from "../../wire/json.ts";
import type { WireEvent } from "../../wire/wire-event.ts";
import type { EventReader, ReadContext } from "../provider.ts";
import { Answer, throwInterrupted } from "./answer.ts";
import type { AnswerRules } from "./answer-rules.ts";
import { parseOrUndefined } from "./parse-or-undefined.ts";

const noEvents: readonly StreamEvent[] = [];

/** Reads the stream of a chat completion. It ends with `[DONE]`, or where the bytes end after a finish reason. */
export function createReader(rules: AnswerRules, context: ReadContext): EventReader {
  const answer = new Answer(rules, context, false);
  let done = false;
  return {
    read(event: WireEvent) {
      const { data } = event;
      if (data === "[DONE]") {
        done = true;
        return noEvents;
      }
      return data === "" || done ? noEvents : answer.read(parseChunk(data));
    },
    isDone: () => done,
    finish() {
      // "[DONE]" alone is the end of nothing.
      if (!answer.hasFinishReason && !(done && answer.hasChoice)) throwInterrupted();
      return answer.finish();
    },
    usage: () => answer.usage(),
  };
}

function parseChunk(data: string) {
  const chunk = asObject(parseOrUndefined(data));
  if (chunk === undefined)
    throw new ProviderFailure("bad-response", "an event of the provider's stream is no JSON object");
  return chunk;
}
