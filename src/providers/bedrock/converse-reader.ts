import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asNumber, asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { EventReader, ReadContext } from "../provider.ts";
import { ConverseAnswer } from "./converse-answer.ts";
import { toFailureOfException } from "./failure.ts";

/** Reads the stream of ConverseStream. The counts come in `metadata`, after `messageStop`. */
export function createConverseReader(context: ReadContext): EventReader {
  const answer = new ConverseAnswer(context);
  let isDone = false;

  return {
    read(event) {
      if (isDone) return [];
      if (event.origin === "exception") throw toFailureOfException(event);
      const payload = parsePayload(event.data);
      const position = asNumber(payload["contentBlockIndex"]) ?? 0;
      switch (event.name) {
        case "contentBlockStart":
          answer.blockStart(position, asObject(payload["start"]) ?? {});
          break;
        case "contentBlockDelta":
          answer.blockDelta(position, asObject(payload["delta"]) ?? {});
          break;
        case "contentBlockStop":
          answer.blockStop(position);
          break;
        case "messageStop":
          answer.stop(payload);
          break;
        case "metadata":
          answer.metadata(payload);
          isDone = answer.isStopped;
          break;
        default:
          // "messageStart" says nothing but the role; others are newer than this program.
          break;
      }
      return answer.take();
    },
    isDone: () => isDone,
    finish() {
      if (!answer.isStopped) throw new ProviderFailure("interrupted", "the stream ended before messageStop");
      answer.close();
      return { events: answer.take(), facts: answer.facts() };
    },
    usage: () => answer.usage(),
  };
}

function parsePayload(data: string): JsonRecord {
  try {
    return asObject(parseExactJson(data)) ?? {};
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new ProviderFailure("bad-response", "an event of the stream is no JSON", { cause: error });
  }
}
