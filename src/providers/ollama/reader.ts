import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { EventReader, ReadContext } from "../provider.ts";
import { Answer } from "./answer.ts";

/** Reads the stream of `/api/chat`: one JSON object a line, the last of them with `done: true`. */
export function createChatReader(context: ReadContext): EventReader {
  const answer = new Answer(context);
  return {
    read: (event) => (answer.isFinished ? [] : answer.read(parseLine(event.data))),
    isDone: () => answer.isFinished,
    finish() {
      if (!answer.isFinished) throw new ProviderFailure("interrupted", "the stream ended before its last line");
      return answer.finish();
    },
    usage: () => answer.usage(),
  };
}

/** A line, or the whole body of an answer. Throws `ProviderFailure` when it is no JSON object. */
export function parseLine(text: string): JsonRecord {
  try {
    const line = asObject(parseExactJson(text));
    if (line !== undefined) return line;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  throw new ProviderFailure("bad-response", "the provider sent something other than a JSON object");
}
