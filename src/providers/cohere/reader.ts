import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asArray, asNumber, asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { WireEvent } from "../../wire/wire-event.ts";
import type { EventReader, ReadContext } from "../provider.ts";
import { Answer } from "./answer.ts";
import { toFailureOfEnd } from "./failure.ts";

/** Reads the stream of the chat API ("Streaming"). It ends with `message-end`; `[DONE]` may follow. */
export function createChatReader(context: ReadContext): EventReader {
  const answer = new Answer(context);

  return {
    read(event) {
      if (answer.isFinished) return [];
      const payload = parsePayload(event);
      if (payload !== undefined) readPayload(answer, payload);
      return answer.take();
    },
    isDone: () => answer.isFinished,
    finish() {
      if (!answer.isFinished) throw new ProviderFailure("interrupted", "the stream ended before message-end");
      answer.close();
      return { events: answer.take(), facts: answer.facts() };
    },
    usage: () => answer.usage(),
  };
}

function readPayload(answer: Answer, payload: JsonRecord): void {
  const delta = asObject(payload["delta"]) ?? {};
  const message = asObject(delta["message"]) ?? {};
  const position = asNumber(payload["index"]) ?? 0;
  switch (payload["type"]) {
    case "message-start":
      answer.begin(payload["id"]);
      break;
    case "content-start":
    case "content-delta":
      answer.content(position, firstOf(message["content"]), payload["logprobs"]);
      break;
    case "tool-plan-delta":
      answer.plan(message["tool_plan"]);
      break;
    case "tool-call-start":
    case "tool-call-delta":
      answer.toolCall(position, firstOf(message["tool_calls"]));
      break;
    case "citation-start":
      for (const citation of asArray(message["citations"]) ?? [message["citations"]]) answer.cite(citation);
      break;
    case "message-end":
      answer.end(delta);
      break;
    default:
      failIfError(payload);
  }
}

/** An error of a server in front of the model has no type of event. Other kinds are newer than this program. */
function failIfError(payload: JsonRecord): void {
  if (payload["type"] !== undefined && payload["type"] !== "error") return;
  const error = payload["error"] ?? payload["message"];
  const failure = error === undefined ? undefined : toFailureOfEnd({ ...payload, error: toText(error) });
  if (failure !== undefined) throw failure;
}

function toText(error: unknown): string {
  return typeof error === "string" ? error : JSON.stringify(error);
}

/** One object, or a list of one. */
function firstOf(value: unknown): JsonRecord {
  return asObject(asArray(value)?.[0] ?? value) ?? {};
}

/** `undefined` for what is no JSON object: "[DONE]". */
function parsePayload(event: WireEvent): JsonRecord | undefined {
  try {
    return asObject(parseExactJson(event.data));
  } catch (error) {
    if (error instanceof JsonError && !event.data.trimStart().startsWith("{")) return undefined;
    throw new ProviderFailure("bad-response", "an event of the stream is no JSON", { cause: error });
  }
}
