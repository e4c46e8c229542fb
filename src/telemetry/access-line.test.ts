import { expect, it } from "vitest";
import { ErrorReason, Outcome } from "../contract.ts";
import { formatAccessLine } from "./access-line.ts";
import { sampleCallRecord, sampleEndMs } from "./sample-call-record.ts";

it("says who called, what was used, what it cost, how long it took and how it ended", () => {
  const line = formatAccessLine(sampleCallRecord(), sampleEndMs);
  expect(line.endsWith("}\n")).toBe(true);
  expect(JSON.parse(line)).toEqual({
    level: 30,
    time: sampleEndMs,
    msg: "call",
    method: "StreamComplete",
    outcome: "succeeded",
    code: 0,
    finish: "stop",
    response_id: "01980000-0000-7000-8000-000000000001",
    correlation_id: "order-4711",
    trace_id: "0af7651916cd43dd8448eb211c80319c",
    span_id: "00f067aa0ba902b7",
    organisation: "acme",
    team: "platform",
    project: "search",
    key: "search-prod",
    requested_model: "support-chat",
    model: "claude-haiku-4-5",
    provider: "anthropic",
    input_tokens: 120,
    output_tokens: 51,
    cache_read_input_tokens: 100,
    cost_nano_usd: 123456,
    duration_ms: 1250,
    first_token_ms: 250,
    overhead_ms: 0.75,
    attempts: 2,
    failed_attempts: [
      {
        number: 1,
        target: "openai/gpt-4.1-mini",
        outcome: "failed",
        reason: "provider_overloaded",
        status: 503,
        duration_ms: 50,
      },
    ],
  });
});

it("stays one line of JSON whatever a caller names, and cuts what is long", () => {
  const nasty = `"}\n{"level":60,"msg":"forged\u2028${"x".repeat(1000)}`;
  const record = sampleCallRecord((event) => {
    event.requestedModel = nasty;
  });
  const line = formatAccessLine({ ...record, correlationId: 'a\\"\u0000' }, 1);
  expect(line.indexOf("\n")).toBe(line.length - 1);
  expect(JSON.parse(line)).toMatchObject({ requested_model: nasty.slice(0, 200), correlation_id: 'a\\"\u0000' });
});

it("leaves out what is not known rather than saying zero", () => {
  const line = formatAccessLine(
    sampleCallRecord((event) => {
      Object.assign(event, { usage: undefined, cost: undefined, timeToFirstToken: undefined, attempts: [] });
      event.outcome = Outcome.REJECTED;
      event.errorReason = ErrorReason.RATE_LIMITED;
    }),
    1,
  );
  const fields: Record<string, unknown> = JSON.parse(line);
  expect(fields).toMatchObject({ outcome: "rejected", reason: "rate_limited", attempts: 0 });
  for (const absent of ["input_tokens", "output_tokens", "cost_nano_usd", "first_token_ms", "failed_attempts"]) {
    expect(fields).not.toHaveProperty(absent);
  }
});

it("says nothing of labels, end users and conversations", () => {
  const record = sampleCallRecord((event) => {
    event.labels = { note: "canary-label" };
    event.conversationId = "canary-conversation";
    if (event.principal) event.principal.endUserId = "canary-user";
  });
  expect(formatAccessLine(record, 1)).not.toContain("canary");
});
