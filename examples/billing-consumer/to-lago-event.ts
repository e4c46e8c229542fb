import type { UsageEvent } from "../../src/contract.ts";
import { toDifference } from "./usage-difference.ts";

/** Body of `POST /api/v1/events` of Lago; `transaction_id` is its key. */
export type LagoEvent = {
  readonly event: {
    readonly transaction_id: string;
    readonly external_subscription_id: string;
    /** Of the billable metric. */
    readonly code: string;
    /** Unix seconds, with a fraction. */
    readonly timestamp: string;
    /** For metrics with dynamic pricing: US cents, exact, as text. */
    readonly precise_total_amount_cents?: string;
    readonly properties: Readonly<Record<string, string | number>>;
  };
};

const nanoUsdPerCent = 10_000_000n;
const centDigits = 7;

/**
 * Lago refuses a second event of one `transaction_id`, and sums take values below zero (getlago/lago-api, pull request
 * 1555): of a correction it is told the difference to `corrected`, the event that is replaced.
 */
export function toLagoEvent(
  event: UsageEvent,
  externalSubscriptionId: string,
  code: string,
  corrected?: UsageEvent,
): LagoEvent {
  const { inputTokens, outputTokens, costNanoUsd, timeMs } = toDifference(event, corrected);
  return {
    event: {
      transaction_id: event.eventId,
      external_subscription_id: externalSubscriptionId,
      code,
      timestamp: (timeMs / 1000).toFixed(3),
      ...(costNanoUsd === undefined ? {} : { precise_total_amount_cents: toCents(costNanoUsd) }),
      properties: {
        model: event.model,
        provider: event.provider,
        ...(inputTokens === undefined ? {} : { input_tokens: inputTokens }),
        ...(outputTokens === undefined ? {} : { output_tokens: outputTokens }),
      },
    },
  };
}

/** Exact: 12,345,678 nano-USD are "1.2345678" cents. */
function toCents(nanoUsd: bigint): string {
  const sign = nanoUsd < 0n ? "-" : "";
  const amount = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  const fraction = String(amount % nanoUsdPerCent)
    .padStart(centDigits, "0")
    .replace(/0+$/, "");
  return `${sign}${amount / nanoUsdPerCent}${fraction === "" ? "" : `.${fraction}`}`;
}
