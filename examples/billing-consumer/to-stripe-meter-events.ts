import type { UsageEvent } from "../../src/contract.ts";
import { toDifference } from "./usage-difference.ts";

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

/**
 * One meter event for each count that is known and not zero; of a correction for each that changed, with `corrected`, the
 * event that it replaces. Stripe can cancel a meter event within 24 hours of receiving it only, so differences are told as
 * negative quantities, which it documents for this (docs.stripe.com/billing/subscriptions/usage-based/meters/configure,
 * seen 2026-11-25). A period whose sum is below zero is invoiced as 0: the rest is a credit that a human gives.
 */
export function toStripeMeterEvents(
  event: UsageEvent,
  stripeCustomerId: string,
  meters: StripeMeters,
  corrected?: UsageEvent,
): readonly StripeMeterEvent[] {
  const { inputTokens, outputTokens, costNanoUsd, timeMs } = toDifference(event, corrected);
  const counts = [
    ["input", meters.inputTokens, inputTokens],
    ["output", meters.outputTokens, outputTokens],
    ["cost", meters.nanoUsd, costNanoUsd],
  ] as const;
  const timestamp = Math.floor(timeMs / 1000);
  return counts.flatMap(([suffix, meter, count]) => {
    if (meter === undefined || count === undefined || BigInt(count) === 0n) return [];
    const payload = { stripe_customer_id: stripeCustomerId, value: String(count) };
    return [{ event_name: meter, payload, identifier: `${event.eventId}:${suffix}`, timestamp }];
  });
}
