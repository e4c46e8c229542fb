import type { UsageEvent } from "../contract.ts";

/**
 * What is needed of an event to publish it, beside its encoded form. It is kept until NATS has acknowledged the event, and
 * that of thousands: the event itself, with its attempts and cost lines, is twenty times as large.
 */
export type EventHead = {
  readonly eventId: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly gatewayInstance: string;
  readonly organisationId: string;
  readonly teamId: string;
  readonly projectId: string;
  readonly operation: number;
  readonly outcome: number;
  /** Unix milliseconds. */
  readonly timeMs: number;
};

export function toEventHead(event: UsageEvent): EventHead {
  const { eventId, traceId, spanId, gatewayInstance, principal, operation, outcome, eventTime } = event;
  return {
    eventId,
    traceId,
    spanId,
    gatewayInstance,
    organisationId: principal?.orgId ?? "",
    teamId: principal?.teamId ?? "",
    projectId: principal?.projectId ?? "",
    operation,
    outcome,
    timeMs: eventTime === undefined ? 0 : Number(eventTime.seconds) * 1_000 + Math.floor(eventTime.nanos / 1e6),
  };
}
