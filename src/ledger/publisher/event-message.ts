// An event as a NATS message: payload and headers. Binary form by default, with the attributes of CloudEvents 1.0 as
// `ce-*` headers; or structured CloudEvents JSON, which is what the NATS binding of CloudEvents 1.0.2 specifies.
import { toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type UsageEvent, UsageEventSchema } from "../../contract.ts";

export type EventFormat = "protobuf" | "cloudevents-json";

export type EventMessage = {
  readonly payload: Uint8Array;
  readonly headers: readonly (readonly [name: string, value: string])[];
};

const cloudEventType = "llmgateway.usage.v1.UsageEvent";
const encoder = new TextEncoder();

/** `payload` is the binary form of `event`. */
export function toEventMessage(event: UsageEvent, payload: Uint8Array, format: EventFormat): EventMessage {
  const headers: [string, string][] = [["Nats-Msg-Id", event.eventId]];
  if (event.traceId !== "" && event.spanId !== "") {
    headers.push(["traceparent", `00-${event.traceId}-${event.spanId}-01`]);
  }
  if (format === "cloudevents-json") {
    headers.push(["Content-Type", "application/cloudevents+json"]);
    return { headers, payload: encoder.encode(JSON.stringify(toCloudEvent(event))) };
  }
  headers.push(
    ["Content-Type", "application/x-protobuf"],
    ["Proto-Message", cloudEventType],
    ["ce-specversion", "1.0"],
    ["ce-id", event.eventId],
    ["ce-source", sourceOf(event)],
    ["ce-type", cloudEventType],
    ["ce-subject", subjectAttribute(event)],
    ["ce-time", timeOf(event)],
    ["ce-datacontenttype", "application/x-protobuf"],
  );
  return { headers, payload };
}

/** Structured form: `data` is the proto3 JSON of the event, so that 64-bit numbers are strings. */
export function toCloudEvent(event: UsageEvent): Readonly<Record<string, unknown>> {
  return {
    specversion: "1.0",
    id: event.eventId,
    source: sourceOf(event),
    type: cloudEventType,
    subject: subjectAttribute(event),
    time: timeOf(event),
    datacontenttype: "application/json",
    data: toJson(UsageEventSchema, event),
  };
}

function sourceOf(event: UsageEvent): string {
  return `/llmgateway/${plain(event.gatewayInstance)}`;
}

function subjectAttribute(event: UsageEvent): string {
  const { orgId = "", teamId = "", projectId = "" } = event.principal ?? {};
  return `${plain(orgId)}/${plain(teamId)}/${plain(projectId)}`;
}

function timeOf(event: UsageEvent): string {
  return (event.eventTime === undefined ? new Date(0) : timestampDate(event.eventTime)).toISOString();
}

/** Header values are one line of printable ASCII: anything else is percent-encoded. */
function plain(text: string): string {
  return /^[\w.:@-]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
