import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { UsageEvent } from "../../src/contract.ts";

/** Body of `POST /v1/billing/meter_events` (docs.stripe.com/api/billing/meter-event/create). */
export type StripeMeterEvent = {
  readonly event_name: string;
  /** Numbers are sent as text. */
  readonly payload: { readonly stripe_customer_id: string; readonly value: string };
  /** At most 100 characters; Stripe drops a second one within at least 24 hours. */
  readonly identifier: string;
  /** Unix seconds, within the past 35 days. */
  readonly timestamp: number;
};

/** Meters by what they count; a meter that is left out gets no events. */
export type StripeMeters = { readonly inputTokens?: string; readonly outputTokens?: string; readonly nanoUsd?: string };

/** One meter event for each count that is known and not zero. */
export function toStripeMeterEvents(
  event: UsageEvent,
  stripeCustomerId: string,
  meters: StripeMeters,
): readonly StripeMeterEvent[] {
  const counts = [
    ["input", meters.inputTokens, event.usage?.inputTokens],
    ["output", meters.outputTokens, event.usage?.outputTokens],
    ["cost", meters.nanoUsd, event.cost?.totalNanoUsd],
  ] as const;
  const timestamp = Math.floor((event.eventTime === undefined ? 0 : timestampMs(event.eventTime)) / 1000);
  return counts.flatMap(([suffix, meter, count]) => {
    if (meter === undefined || count === undefined || BigInt(count) === 0n) return [];
    const payload = { stripe_customer_id: stripeCustomerId, value: String(count) };
    return [{ event_name: meter, payload, identifier: `${event.eventId}:${suffix}`, timestamp }];
  });
}
