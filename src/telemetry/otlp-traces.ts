// Spans to an OpenTelemetry collector: one for the call and one below it for each attempt, as OTLP/HTTP JSON
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp, seen 2026-11-24). No SDK: the facts stand in the usage event.
// The queue is bounded; what does not fit, and what the collector refuses, is counted and forgotten.
import { type Attempt, AttemptOutcome, Outcome } from "../contract.ts";
import type { CallRecord } from "../pipeline/ports.ts";
import { toNanos, toUnixNanos } from "./event-times.ts";
import { finishReasonWords, operationWords, reasonWords, wordOf } from "./event-words.ts";
import { genAiAttributes } from "./genai-names.ts";
import { newSpanId, type RandomSource } from "./trace-context.ts";

export type TraceOptions = {
  /** Share of calls that are exported when the caller made no decision, 0 to 1. */
  readonly sample: number;
  /** Sends one body, `application/json`, to `<collector>/v1/traces`. Rejects when it was not taken. */
  readonly post: (body: string) => Promise<void>;
  readonly random: RandomSource;
  readonly serviceVersion: string;
  /** `service.instance.id`. */
  readonly instance: string;
  /** Most spans that wait; default 4096. */
  readonly queueMax?: number | undefined;
  /** Most spans in one body; default 512. */
  readonly batchMax?: number | undefined;
  /** Default 2000. */
  readonly flushIntervalMs?: number | undefined;
};

export interface TraceExporter {
  record(record: CallRecord): void;
  /** Spans that were dropped: no room, or refused by the collector. */
  readonly dropped: number;
  readonly exported: number;
  readonly queued: number;
  /** Sends everything that waits. Never rejects. */
  flush(): Promise<void>;
  /** Stops the timer and flushes once. */
  close(): Promise<void>;
}

type AttributeValue = { stringValue: string } | { intValue: string } | { arrayValue: { values: AttributeValue[] } };
type Span = Readonly<Record<string, unknown>>;

const spanKind = { server: 2, client: 3 } as const;
const statusError = 2;

export function createTraceExporter(options: TraceOptions): TraceExporter {
  const { queueMax = 4096, batchMax = 512, flushIntervalMs = 2000 } = options;
  let queue: Span[] = [];
  let dropped = 0;
  let exported = 0;
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.slice(0, batchMax);
      queue = queue.slice(batchMax);
      try {
        await options.post(toBody(batch, options));
        exported += batch.length;
      } catch {
        dropped += batch.length; // Counted, and shown as a metric: a collector that is down must not fill the log.
      }
    }
  }

  function flush(): Promise<void> {
    sending ??= sendAll().finally(() => {
      sending = undefined;
    });
    return sending;
  }

  const timer = setInterval(() => {
    void flush(); // Never rejects: failures are counted.
  }, flushIntervalMs);
  timer.unref();

  return {
    record(record) {
      if (!isSampled(record, options.sample)) return;
      const spans = toSpans(record, options.random);
      if (queue.length + spans.length > queueMax) dropped += spans.length;
      else queue.push(...spans);
    },
    get dropped() {
      return dropped;
    },
    get exported() {
      return exported;
    },
    get queued() {
      return queue.length;
    },
    flush,
    async close() {
      clearInterval(timer);
      await flush();
    },
  };
}

/** The caller's decision, else by the trace id, so that every gateway decides alike. */
function isSampled(record: CallRecord, share: number): boolean {
  if (record.sampled !== undefined) return record.sampled;
  return Number.parseInt(record.event.traceId.slice(-8), 16) < share * 0x1_0000_0000;
}

function toSpans(record: CallRecord, random: RandomSource): readonly Span[] {
  const { event } = record;
  const startNanos = event.startTime === undefined ? 0n : toUnixNanos(event.startTime);
  const operation = wordOf(operationWords, event.operation);
  const call: Span = {
    traceId: event.traceId,
    spanId: event.spanId,
    ...(record.parentSpanId === undefined ? {} : { parentSpanId: record.parentSpanId }),
    name: `${operation} ${event.requestedModel}`,
    kind: spanKind.server,
    startTimeUnixNano: String(startNanos),
    endTimeUnixNano: String(startNanos + toNanos(event.duration)),
    attributes: attributesOf({
      [genAiAttributes.operation]: operation,
      [genAiAttributes.provider]: event.provider,
      [genAiAttributes.requestModel]: event.requestedModel,
      [genAiAttributes.responseModel]: event.attempts.find(({ outcome }) => outcome === AttemptOutcome.SERVED)
        ?.responseModel,
      [genAiAttributes.responseId]: event.responseId,
      [genAiAttributes.finishReasons]: finishReasonsOf(record),
      [genAiAttributes.conversation]: event.conversationId,
      ...usageAttributes(event.usage),
      [genAiAttributes.errorType]: wordOf(reasonWords, event.errorReason),
      "rpc.system.name": "grpc",
      "rpc.method": `llmgateway.v1.InferenceService/${record.method}`,
      "llmgateway.project.id": event.principal?.projectId,
      "llmgateway.key.id": event.principal?.keyId,
      "llmgateway.cost.nano_usd": event.cost?.totalNanoUsd,
    }),
    status: event.outcome === Outcome.SUCCEEDED ? {} : { code: statusError },
  };
  return [call, ...event.attempts.flatMap((attempt) => toAttemptSpan(record, attempt, operation, random))];
}

/** A skipped attempt took no time and has no span. */
function toAttemptSpan(record: CallRecord, attempt: Attempt, operation: string, random: RandomSource): readonly Span[] {
  if (attempt.startTime === undefined) return [];
  const startNanos = toUnixNanos(attempt.startTime);
  const isGood = attempt.outcome === AttemptOutcome.SERVED || attempt.outcome === AttemptOutcome.CONTINUED;
  return [
    {
      traceId: record.event.traceId,
      spanId: newSpanId(random),
      parentSpanId: record.event.spanId,
      name: `${operation} ${attempt.providerModel}`,
      kind: spanKind.client,
      startTimeUnixNano: String(startNanos),
      endTimeUnixNano: String(startNanos + toNanos(attempt.duration)),
      attributes: attributesOf({
        [genAiAttributes.operation]: operation,
        [genAiAttributes.provider]: attempt.provider,
        [genAiAttributes.requestModel]: attempt.providerModel,
        [genAiAttributes.responseModel]: attempt.responseModel,
        ...usageAttributes(attempt.usage),
        [genAiAttributes.errorType]: wordOf(reasonWords, attempt.errorReason),
        "http.response.status_code": attempt.httpStatus === 0 ? undefined : attempt.httpStatus,
        "llmgateway.attempt.number": attempt.number,
        "llmgateway.target.id": attempt.targetId,
      }),
      status: isGood ? {} : { code: statusError },
    },
  ];
}

function finishReasonsOf({ event }: CallRecord): readonly string[] | undefined {
  const word = wordOf(finishReasonWords, event.finishReason);
  return word === "" ? undefined : [word];
}

function usageAttributes(usage: Attempt["usage"]): Readonly<Record<string, number | undefined>> {
  return {
    [genAiAttributes.inputTokens]: usage?.inputTokens,
    [genAiAttributes.outputTokens]: usage?.outputTokens,
    [genAiAttributes.cacheReadInputTokens]: usage?.cacheReadInputTokens,
    [genAiAttributes.cacheWriteInputTokens]: usage?.cacheWriteInputTokens,
    [genAiAttributes.reasoningOutputTokens]: usage?.reasoningOutputTokens,
  };
}

/** Without those that are not known or empty. */
function attributesOf(
  values: Readonly<Record<string, string | number | bigint | readonly string[] | undefined>>,
): readonly { readonly key: string; readonly value: AttributeValue }[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined || value === "" ? [] : [{ key, value: toAttributeValue(value) }],
  );
}

function toAttributeValue(value: string | number | bigint | readonly string[]): AttributeValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "number" || typeof value === "bigint") return { intValue: String(value) };
  return { arrayValue: { values: value.map((text) => ({ stringValue: text })) } };
}

function toBody(spans: readonly Span[], options: TraceOptions): string {
  const resource = attributesOf({
    "service.name": "llm-gateway",
    "service.version": options.serviceVersion,
    "service.instance.id": options.instance,
  });
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: resource },
        scopeSpans: [{ scope: { name: "llm-gateway", version: options.serviceVersion }, spans }],
      },
    ],
  });
}
