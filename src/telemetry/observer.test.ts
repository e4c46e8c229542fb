import { expect, it } from "vitest";
import type { CallRecord } from "../pipeline/ports.ts";
import { createLogger, type Log } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { createObserver } from "./observer.ts";
import type { TraceExporter } from "./otlp-traces.ts";
import { readProcessFigures } from "./process-figures.ts";
import { sampleCallRecord } from "./sample-call-record.ts";

function logInto(lines: string[], level: "info" | "error" = "info"): Log {
  const logger = createLogger(level, { write: (line) => lines.push(line) });
  return {
    logger,
    writeLine: (line) => lines.push(line),
    isInfoEnabled: logger.isLevelEnabled("info"),
    dropped: 0,
    flush: () => undefined,
    close: () => undefined,
  };
}

const clock = { nowMs: () => 1 };
const metricsOf = () => createMetrics({ version: "1", processFigures: readProcessFigures });

function tracesThat(record: (record: CallRecord) => void): TraceExporter {
  return { record, dropped: 0, exported: 0, queued: 0, flush: async () => undefined, close: async () => undefined };
}

it("tells log, metrics and traces of a call, once each", () => {
  const lines: string[] = [];
  const traced: CallRecord[] = [];
  const metrics = metricsOf();
  const record = sampleCallRecord();
  createObserver({ log: logInto(lines), metrics, traces: tracesThat((one) => traced.push(one)), clock }).finished(
    record,
  );
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual(["call"]);
  expect(traced).toEqual([record]);
  expect(metrics.format()).toContain(
    'llmgateway_calls_total{method="StreamComplete",outcome="succeeded",error_type=""} 1',
  );
});

it("does not let a fault of one reach the others or the call", () => {
  const lines: string[] = [];
  const metrics = metricsOf();
  const failing = {
    ...metrics,
    record: () => {
      throw new Error("canary");
    },
  };
  const observer = createObserver({ log: logInto(lines), metrics: failing, clock });
  expect(() => observer.finished(sampleCallRecord())).not.toThrow();
  expect(lines.map((line) => JSON.parse(line).msg)).toEqual(["telemetry failed to record a call", "call"]);
  expect(lines.join("")).not.toContain("canary");
});

it("writes no access line when the log is set to errors only", () => {
  const lines: string[] = [];
  createObserver({ log: logInto(lines, "error"), metrics: metricsOf(), clock }).finished(sampleCallRecord());
  expect(lines).toEqual([]);
});
