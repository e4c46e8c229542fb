// An event out of a message, in either of the forms that `usage.nats.format` has.
import { fromBinary, fromJson, type JsonValue } from "@bufbuild/protobuf";
import type { JsMsg } from "@nats-io/jetstream";
import { type UsageEvent, UsageEventSchema } from "../../src/contract.ts";

/** `undefined`: the message is no event; the database keeps it aside, for a human to look at. */
export function readUsageMessage(message: Pick<JsMsg, "data" | "headers">): UsageEvent | undefined {
  try {
    const isJson = message.headers?.get("Content-Type") === "application/cloudevents+json";
    const event = isJson ? fromCloudEvent(message.data) : fromBinary(UsageEventSchema, message.data);
    return event.eventId === "" ? undefined : event;
  } catch {
    return undefined; // Said by the result.
  }
}

/** Fields that this version does not know are passed over: a newer gateway may have them. */
function fromCloudEvent(payload: Uint8Array): UsageEvent {
  const cloudEvent: { readonly data: JsonValue } = JSON.parse(new TextDecoder().decode(payload));
  return fromJson(UsageEventSchema, cloudEvent.data, { ignoreUnknownFields: true });
}
