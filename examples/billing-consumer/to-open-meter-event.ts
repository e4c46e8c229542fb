import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { UsageEvent } from "../../src/contract.ts";

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

/** Counts that are not known are left out. Money is text: it may pass what a JSON number holds exactly. */
export function toOpenMeterEvent(event: UsageEvent, subject: string): OpenMeterEvent {
  const { usage, cost } = event;
  return {
    specversion: "1.0",
    id: event.eventId,
    source: `/llmgateway/${encodeURIComponent(event.gatewayInstance)}`,
    type: "llm.tokens",
    subject,
    time: (event.eventTime === undefined ? new Date(0) : timestampDate(event.eventTime)).toISOString(),
    data: {
      model: event.model,
      provider: event.provider,
      ...(usage?.inputTokens === undefined ? {} : { input_tokens: usage.inputTokens }),
      ...(usage?.outputTokens === undefined ? {} : { output_tokens: usage.outputTokens }),
      ...(usage?.cacheReadInputTokens === undefined ? {} : { cache_read_input_tokens: usage.cacheReadInputTokens }),
      ...(cost === undefined ? {} : { cost_nano_usd: String(cost.totalNanoUsd) }),
    },
  };
}
