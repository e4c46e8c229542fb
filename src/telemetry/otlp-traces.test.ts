import { describe, expect, it } from "vitest";
import { Outcome } from "../contract.ts";
import { createTraceExporter, type TraceOptions } from "./otlp-traces.ts";
import { sampleCallRecord } from "./sample-call-record.ts";

function exporter(change: Partial<TraceOptions> = {}) {
  const bodies: string[] = [];
  let seed = 0;
  const traces = createTraceExporter({
    sample: 1,
    post: async (body) => {
      bodies.push(body);
    },
    random: (bytes) => {
      seed += 1;
      bytes.fill(seed);
    },
    serviceVersion: "1.2.3",
    instance: "gateway-0",
    ...change,
  });
  const spans = () => bodies.flatMap((body) => JSON.parse(body).resourceSpans[0].scopeSpans[0].spans);
  return { traces, bodies, spans };
}

describe("exported traces", () => {
  it("have one span for the call, below the caller's, and one below it for each attempt", async () => {
    const { traces, spans } = exporter();
    traces.record({ ...sampleCallRecord(), parentSpanId: "1111111111111111", sampled: true });
    await traces.close();
    const [call, first, second] = spans();
    expect(call).toMatchObject({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "00f067aa0ba902b7",
      parentSpanId: "1111111111111111",
      name: "chat support-chat",
      kind: 2,
      startTimeUnixNano: "1800000000000000000",
      endTimeUnixNano: "1800000001250000000",
      status: {},
    });
    expect(call.attributes).toEqual(
      expect.arrayContaining([
        { key: "gen_ai.provider.name", value: { stringValue: "anthropic" } },
        { key: "gen_ai.usage.input_tokens", value: { intValue: "120" } },
        { key: "gen_ai.response.finish_reasons", value: { arrayValue: { values: [{ stringValue: "stop" }] } } },
        { key: "gen_ai.response.model", value: { stringValue: "claude-haiku-4-5-20251001" } },
      ]),
    );
    expect([first, second]).toMatchObject([
      { name: "chat gpt-4.1-mini", kind: 3, parentSpanId: call.spanId, status: { code: 2 } },
      { name: "chat claude-haiku-4-5", kind: 3, parentSpanId: call.spanId, status: {} },
    ]);
    expect(first.spanId).not.toBe(second.spanId);
    expect(traces).toMatchObject({ exported: 3, dropped: 0, queued: 0 });
  });

  it("follow the caller's decision, and else a share of the trace ids", async () => {
    const { traces, spans } = exporter({ sample: 0.5 });
    traces.record({ ...sampleCallRecord((event) => (event.traceId = `${"0".repeat(24)}00000001`)), sampled: false });
    traces.record({ ...sampleCallRecord((event) => (event.traceId = `${"0".repeat(24)}fffffff1`)), sampled: true });
    traces.record(sampleCallRecord((event) => (event.traceId = `${"0".repeat(24)}7fffffff`)));
    traces.record(sampleCallRecord((event) => (event.traceId = `${"0".repeat(24)}80000000`)));
    await traces.close();
    const ids = new Set(spans().map((span: { traceId: string }) => span.traceId.slice(-8)));
    expect(ids).toEqual(new Set(["fffffff1", "7fffffff"]));
  });

  it("are dropped and counted when the queue is full or the collector refuses", async () => {
    const refusing = exporter({ queueMax: 4, post: () => Promise.reject(new Error("503")) });
    refusing.traces.record(sampleCallRecord());
    refusing.traces.record(sampleCallRecord());
    expect(refusing.traces).toMatchObject({ queued: 3, dropped: 3 });
    await refusing.traces.close();
    expect(refusing.traces).toMatchObject({ queued: 0, dropped: 6, exported: 0 });
  });

  it("leave in bodies of bounded size", async () => {
    const { traces, bodies } = exporter({ batchMax: 5 });
    for (let index = 0; index < 4; index += 1) traces.record(sampleCallRecord());
    await traces.close();
    expect(bodies.map((body) => JSON.parse(body).resourceSpans[0].scopeSpans[0].spans.length)).toEqual([5, 5, 2]);
  });

  it("mark a call that did not succeed, and hold no label and no end user", async () => {
    const { traces, bodies, spans } = exporter();
    traces.record(
      sampleCallRecord((event) => {
        event.outcome = Outcome.FAILED;
        event.labels = { note: "canary" };
        if (event.principal) event.principal.endUserId = "canary";
      }),
    );
    await traces.close();
    expect(spans()[0].status).toEqual({ code: 2 });
    expect(bodies.join("")).not.toContain("canary");
  });
});
