import { ProviderFailure } from "../../domain/provider-failure.ts";
import { asObject, asString, JsonError, parseJson } from "../../wire/json.ts";
import type { WireEvent } from "../../wire/wire-event.ts";
import { createMessagesReader } from "../anthropic/reader.ts";
import { fromBase64 } from "../data-url.ts";
import type { EventReader, ReadContext } from "../provider.ts";
import { toFailureOfException } from "./failure.ts";

/** Reads the stream of InvokeModelWithResponseStream: each `chunk` holds an event of the Messages API in base64. */
export function createInvokeReader(context: ReadContext): EventReader {
  const inner = createMessagesReader(context);
  return {
    read(event) {
      if (event.origin === "exception") throw toFailureOfException(event);
      const chunk = unpack(event);
      return chunk === undefined ? [] : inner.read(chunk);
    },
    isDone: () => inner.isDone(),
    finish: () => inner.finish(),
    usage: () => inner.usage(),
  };
}

/** `undefined` for frames without bytes: kinds that are newer than this program. */
function unpack({ data }: WireEvent): WireEvent | undefined {
  try {
    const bytes = asString(asObject(parseJson(data))?.["bytes"]);
    if (bytes === undefined) return undefined;
    return { name: "", data: new TextDecoder().decode(fromBase64(bytes)), origin: "event" };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new ProviderFailure("bad-response", "a chunk of the stream is no JSON", { cause: error });
  }
}
