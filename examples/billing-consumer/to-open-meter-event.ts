import type { UsageEvent } from "../../src/contract.ts";
import { toDifference } from "./usage-difference.ts";

/** A CloudEvent as OpenMeter ingests it (`POST /api/v1/events`); `id` and `source` together are its key. */
export type OpenMeterEvent = {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** The customer. */
  readonly subject: string;
  readonly time: string;
  readonly data: Readonly<Record<string, string | number>>;
};

/**
 * Counts that are not known are left out. Money is text: it may pass what a JSON number holds exactly. OpenMeter drops a
 * second event of one id and source and has none that replaces another: of a correction it is told the difference to
 * `corrected`, the event that is replaced, for meters that SUM.
 */
export function toOpenMeterEvent(event: UsageEvent, subject: string, corrected?: UsageEvent): OpenMeterEvent {
  const { inputTokens, outputTokens, cacheReadInputTokens, costNanoUsd, timeMs } = toDifference(event, corrected);
  return {
    specversion: "1.0",
    id: event.eventId,
    source: `/llmgateway/${encodeURIComponent(event.gatewayInstance)}`,
    type: "llm.tokens",
    subject,
    time: new Date(timeMs).toISOString(),
    data: {
      model: event.model,
      provider: event.provider,
      ...(inputTokens === undefined ? {} : { input_tokens: inputTokens }),
      ...(outputTokens === undefined ? {} : { output_tokens: outputTokens }),
      ...(cacheReadInputTokens === undefined ? {} : { cache_read_input_tokens: cacheReadInputTokens }),
      ...(costNanoUsd === undefined ? {} : { cost_nano_usd: String(costNanoUsd) }),
    },
  };
}
