import { ProviderFailure } from "../../../domain/provider-failure.ts";
import type { StreamEvent } from "../../../domain/stream-event.ts";
import { asObject } from "../../../wire/json.ts";
import type { EventReader, ReadContext } from "../../provider.ts";
import { throwInterrupted } from "../answer.ts";
import type { AnswerRules } from "../answer-rules.ts";
import { parseExactOrUndefined } from "../parse-or-undefined.ts";
import { ResponsesAnswer } from "./answer.ts";

const noEvents: readonly StreamEvent[] = [];

/** Reads the stream of a response, by the `type` in each payload; event names are absent at some hosts. */
export function createResponsesReader(rules: AnswerRules, context: ReadContext): EventReader {
  const answer = new ResponsesAnswer(rules, context);
  return {
    read({ data }) {
      // OpenRouter ends with "[DONE]", which this API does not have.
      if (data === "" || data === "[DONE]" || answer.isComplete) return noEvents;
      const event = asObject(parseExactOrUndefined(data));
      if (event === undefined)
        throw new ProviderFailure("bad-response", "an event of the provider's stream is no JSON object");
      if (event["type"] === undefined && event["error"] !== undefined)
        return answer.readEvent({ ...event, type: "error" });
      return answer.readEvent(event);
    },
    isDone: () => answer.isComplete,
    finish() {
      if (!answer.isComplete) throwInterrupted();
      return answer.finish();
    },
    usage: () => answer.usage(),
  };
}
