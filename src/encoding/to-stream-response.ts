import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  HeartbeatSchema,
  PartDeltaSchema,
  PartEndedSchema,
  PartStartedSchema,
  PartsResetSchema,
  ProviderMetadataSchema,
  StreamCompletedSchema,
  type StreamCompleteResponse,
  StreamCompleteResponseSchema,
  StreamStartedSchema,
} from "../contract.ts";
import { unreachable } from "../domain/unreachable.ts";
import type { OutgoingEvent } from "../pipeline/ports.ts";

/** The event as a message of the contract. The hot path writes the same bytes by hand: `server/grpc/encode-event.ts`. */
export function toStreamResponse(sequence: number, event: OutgoingEvent): StreamCompleteResponse {
  return create(StreamCompleteResponseSchema, { sequence, event: toEvent(event) });
}

type Event = Exclude<StreamCompleteResponse["event"], { case: undefined }>;
type DeltaEvent = Exclude<
  OutgoingEvent,
  { kind: "started" | "part-start" | "part-end" | "parts-reset" | "heartbeat" | "completed" }
>;

function toEvent(event: OutgoingEvent): Event {
  switch (event.kind) {
    case "started": {
      const { responseId, createdAtMs, model } = event;
      const createTime = timestampFromMs(createdAtMs);
      return { case: "started", value: create(StreamStartedSchema, { responseId, createTime, model }) };
    }
    case "part-start": {
      const { index, part } = event;
      return { case: "partStarted", value: create(PartStartedSchema, { index, part }) };
    }
    case "part-end":
      return { case: "partEnded", value: create(PartEndedSchema, { index: event.index }) };
    case "parts-reset": {
      const { keepParts, attemptNumber } = event;
      return { case: "partsReset", value: create(PartsResetSchema, { keepParts, attemptNumber }) };
    }
    case "heartbeat": {
      const { hiddenOutputTokens } = event;
      const tokens = hiddenOutputTokens === undefined ? {} : { hiddenOutputTokens };
      return { case: "heartbeat", value: create(HeartbeatSchema, tokens) };
    }
    case "completed":
      return { case: "completed", value: create(StreamCompletedSchema, { response: event.response }) };
    default:
      return { case: "partDelta", value: toPartDelta(event) };
  }
}

function toPartDelta(event: DeltaEvent) {
  const { index } = event;
  switch (event.kind) {
    case "text-delta": {
      const logprobs = [...(event.logprobs ?? [])];
      return create(PartDeltaSchema, { index, delta: { case: "text", value: event.text.toWellFormed() }, logprobs });
    }
    case "reasoning-delta":
      return create(PartDeltaSchema, { index, delta: { case: "reasoning", value: event.text.toWellFormed() } });
    case "arguments-delta":
      return create(PartDeltaSchema, { index, delta: { case: "argumentsJson", value: event.json.toWellFormed() } });
    case "data-delta":
      return create(PartDeltaSchema, { index, delta: { case: "data", value: event.data } });
    case "citation-delta":
      return create(PartDeltaSchema, { index, delta: { case: "citation", value: event.citation } });
    case "state-delta":
      return create(PartDeltaSchema, { index, delta: { case: "state", value: event.state } });
    case "metadata-delta": {
      const value = create(ProviderMetadataSchema, { entries: { ...event.entries } });
      return create(PartDeltaSchema, { index, delta: { case: "providerMetadata", value } });
    }
    default:
      return unreachable(event);
  }
}
