import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { StreamCompleteResponse } from "../contract.ts";
import { unreachable } from "../domain/unreachable.ts";
import type { OutgoingEvent } from "../pipeline/ports.ts";

type Event = Exclude<StreamCompleteResponse["event"], { case: undefined }>;
type DeltaOf = Extract<Event, { case: "partDelta" }>["value"];

/** The reverse of `toStreamResponse`. `undefined`: an event that this version does not know, or one without its content. */
export function fromStreamResponse({ event }: StreamCompleteResponse): OutgoingEvent | undefined {
  switch (event.case) {
    case undefined:
      return undefined;
    case "started": {
      const { responseId, createTime, model } = event.value;
      return {
        kind: "started",
        responseId,
        createdAtMs: createTime === undefined ? 0 : timestampMs(createTime),
        model,
      };
    }
    case "partStarted": {
      const { index, part } = event.value;
      return part && { kind: "part-start", index, part };
    }
    case "partDelta":
      return fromDelta(event.value);
    case "partEnded":
      return { kind: "part-end", index: event.value.index };
    case "partsReset": {
      const { keepParts, attemptNumber } = event.value;
      return { kind: "parts-reset", keepParts, attemptNumber };
    }
    case "heartbeat":
      return { kind: "heartbeat", hiddenOutputTokens: event.value.hiddenOutputTokens };
    case "completed": {
      const { response } = event.value;
      return response && { kind: "completed", response };
    }
    default:
      return unreachable(event);
  }
}

function fromDelta({ index, delta, logprobs }: DeltaOf): OutgoingEvent | undefined {
  switch (delta.case) {
    case "text":
      return { kind: "text-delta", index, text: delta.value, logprobs: logprobs.length === 0 ? undefined : logprobs };
    case "reasoning":
      return { kind: "reasoning-delta", index, text: delta.value };
    case "argumentsJson":
      return { kind: "arguments-delta", index, json: delta.value };
    case "data":
      return { kind: "data-delta", index, data: delta.value };
    case "citation":
      return { kind: "citation-delta", index, citation: delta.value };
    case "state":
      return { kind: "state-delta", index, state: delta.value };
    case "providerMetadata":
      return { kind: "metadata-delta", index, entries: delta.value.entries };
    case undefined:
      return undefined;
    default:
      return unreachable(delta);
  }
}
