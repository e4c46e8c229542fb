// An event as a NATS message: payload and headers. Binary form by default, with the attributes of CloudEvents 1.0 as
// `ce-*` headers; or structured CloudEvents JSON, which is what the NATS binding of CloudEvents 1.0.2 specifies.
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { UsageEventSchema } from "../../contract.ts";
import type { EventHead } from "../event-head.ts";

export type EventFormat = "protobuf" | "cloudevents-json";

export type EventMessage = {
  readonly payload: Uint8Array;
  /** Lines of a name and a value, each ended by CRLF. */
  readonly headers: string;
};

const cloudEventType = "llmgateway.usage.v1.UsageEvent";
const encoder = new TextEncoder();

const binaryLines = [
  "Content-Type: application/x-protobuf",
  `Proto-Message: ${cloudEventType}`,
  "ce-specversion: 1.0",
  `ce-type: ${cloudEventType}`,
  "ce-datacontenttype: application/x-protobuf\r\n",
].join("\r\n");

/** `payload`: the event in its binary form. */
export function toEventMessage(head: EventHead, payload: Uint8Array, format: EventFormat): EventMessage {
  const { eventId, traceId, spanId } = head;
  const trace = traceId !== "" && spanId !== "" ? `traceparent: 00-${traceId}-${spanId}-01\r\n` : "";
  const names = `Nats-Msg-Id: ${eventId}\r\n${trace}`;
  if (format === "cloudevents-json") {
    const headers = `${names}Content-Type: application/cloudevents+json\r\n`;
    return { headers, payload: encoder.encode(JSON.stringify(toCloudEvent(head, payload))) };
  }
  const headers =
    `${names}${binaryLines}ce-id: ${eventId}\r\nce-source: ${sourceOf(head)}\r\n` +
    `ce-subject: ${subjectAttribute(head)}\r\nce-time: ${timeOf(head)}\r\n`;
  return { headers, payload };
}

/** Structured form: `data` is the proto3 JSON of the event, so that 64-bit numbers are strings. */
function toCloudEvent(head: EventHead, payload: Uint8Array): Readonly<Record<string, unknown>> {
  return {
    specversion: "1.0",
    id: head.eventId,
    source: sourceOf(head),
    type: cloudEventType,
    subject: subjectAttribute(head),
    time: timeOf(head),
    datacontenttype: "application/json",
    data: toJson(UsageEventSchema, fromBinary(UsageEventSchema, payload)),
  };
}

function sourceOf({ gatewayInstance }: EventHead): string {
  return `/llmgateway/${plain(gatewayInstance)}`;
}

function subjectAttribute({ organisationId, teamId, projectId }: EventHead): string {
  return `${plain(organisationId)}/${plain(teamId)}/${plain(projectId)}`;
}

function timeOf({ timeMs }: EventHead): string {
  return new Date(timeMs).toISOString();
}

/** Header values are one line of printable ASCII: anything else is percent-encoded. */
function plain(text: string): string {
  return /^[\w.:@-]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}
