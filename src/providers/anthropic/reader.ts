import { ProviderFailure } from "../../domain/provider-failure.ts";
import { parseExactJson } from "../../wire/exact-json.ts";
import { asNumber, asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import type { WireEvent } from "../../wire/wire-event.ts";
import type { EventReader, ReadContext } from "../provider.ts";
import { toStreamFailure } from "./failure.ts";
import { createMessageAssembler, readWholeMessage } from "./message-assembler.ts";

/** Reads the stream of the Messages API ("Streaming Messages"); also the chunks of Bedrock's InvokeModel, once unpacked. */
export function createMessagesReader(context: ReadContext): EventReader {
  const message = createMessageAssembler(context);
  let isDone = false;

  return {
    read(event) {
      if (isDone) return [];
      const payload = parsePayload(event);
      if (payload === undefined) return [];
      // The type in the payload counts, not the SSE event's name: some proxies leave that out.
      switch (payload["type"] ?? event.name) {
        case "message_start":
          message.start(asObject(payload["message"]) ?? {});
          break;
        case "content_block_start":
          message.blockStart(positionOf(payload), asObject(payload["content_block"]) ?? {});
          break;
        case "content_block_delta":
          message.blockDelta(positionOf(payload), asObject(payload["delta"]) ?? {});
          break;
        case "content_block_stop":
          message.blockStop(positionOf(payload));
          break;
        case "message_delta":
          message.end(asObject(payload["delta"]) ?? {}, asObject(payload["usage"]), payload);
          break;
        case "message":
          // Vertex AI may answer a streamed request with one event that holds the whole message.
          readWholeMessage(message, payload);
          isDone = true;
          break;
        case "message_stop":
          isDone = true;
          break;
        case "error":
          throw toStreamFailure(payload);
        default:
          // "ping", and kinds that are newer than this program; a bare error object has no type of its own.
          if (payload["error"] !== undefined) throw toStreamFailure(payload);
      }
      return message.take();
    },
    isDone: () => isDone,
    finish() {
      if (!isDone) throw new ProviderFailure("interrupted", "the stream ended before message_stop");
      message.close();
      return { events: message.take(), facts: message.facts() };
    },
    usage: () => message.usage(),
  };
}

/** `undefined` for what is no JSON object, such as "[DONE]", which some gateways add. */
function parsePayload(event: WireEvent): JsonRecord | undefined {
  try {
    return asObject(parseExactJson(event.data));
  } catch (error) {
    if (error instanceof JsonError && !looksLikeJson(event.data)) return undefined;
    throw new ProviderFailure("bad-response", "an event of the stream is no JSON", { cause: error });
  }
}

function looksLikeJson(data: string): boolean {
  return data.trimStart().startsWith("{");
}

function positionOf(payload: JsonRecord): number {
  return asNumber(payload["index"]) ?? 0;
}
