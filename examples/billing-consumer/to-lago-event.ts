import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { UsageEvent } from "../../src/contract.ts";

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

export function toLagoEvent(event: UsageEvent, externalSubscriptionId: string, code: string): LagoEvent {
  const { usage, cost } = event;
  const timeMs = event.eventTime === undefined ? 0 : timestampMs(event.eventTime);
  return {
    event: {
      transaction_id: event.eventId,
      external_subscription_id: externalSubscriptionId,
      code,
      timestamp: (timeMs / 1000).toFixed(3),
      ...(cost === undefined ? {} : { precise_total_amount_cents: toCents(cost.totalNanoUsd) }),
      properties: {
        model: event.model,
        provider: event.provider,
        ...(usage?.inputTokens === undefined ? {} : { input_tokens: usage.inputTokens }),
        ...(usage?.outputTokens === undefined ? {} : { output_tokens: usage.outputTokens }),
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
