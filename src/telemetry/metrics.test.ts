import { describe, expect, it } from "vitest";
import { ErrorReason, Outcome } from "../contract.ts";
import { createMetrics } from "./metrics.ts";
import { readProcessFigures } from "./process-figures.ts";
import { sampleCallRecord } from "./sample-call-record.ts";

const make = (labelSetsMax?: number) =>
  createMetrics({ version: "1.2.3", processFigures: readProcessFigures, labelSetsMax });

/** Value of one line of the page. */
function lineValue(page: string, series: string): string | undefined {
  return page
    .split("\n")
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1);
}

describe("the metrics page", () => {
  it("counts a call under the names of the OpenTelemetry conventions", () => {
    const metrics = make();
    metrics.record(sampleCallRecord());
    const page = metrics.format();
    const call = 'gen_ai_operation_name="chat",gen_ai_provider_name="anthropic",gen_ai_request_model="support-chat"';
    const sent =
      'gen_ai_operation_name="chat",gen_ai_provider_name="anthropic",gen_ai_request_model="claude-haiku-4-5"';
    const failed =
      'gen_ai_provider_name="openai",gen_ai_request_model="gpt-4.1-mini",outcome="failed",error_type="provider_overloaded"';
    const expected = {
      'llmgateway_calls_total{method="StreamComplete",outcome="succeeded",error_type=""}': "1",
      'llmgateway_overhead_seconds_sum{method="StreamComplete"}': "0.00075",
      [`gen_ai_server_request_duration_seconds_sum{${call}}`]: "1.25",
      [`gen_ai_server_request_duration_seconds_bucket{${call},le="1.28"}`]: "1",
      [`gen_ai_server_request_duration_seconds_bucket{${call},le="0.64"}`]: "0",
      [`gen_ai_server_time_to_first_token_seconds_sum{${call}}`]: "0.25",
      [`gen_ai_server_time_per_output_token_seconds_sum{${call}}`]: "0.02",
      [`gen_ai_client_token_usage_sum{${sent},gen_ai_token_type="input"}`]: "120",
      [`gen_ai_client_token_usage_sum{${sent},gen_ai_token_type="output"}`]: "51",
      [`gen_ai_client_operation_duration_seconds_sum{${failed}}`]: "0.05",
      [`llmgateway_attempts_total{${failed}}`]: "1",
      'llmgateway_project_cost_nano_usd_total{project_id="search",gen_ai_request_model="support-chat"}': "123456",
      'llmgateway_project_tokens_total{project_id="search",gen_ai_request_model="support-chat",type="output"}': "51",
      'llmgateway_build_info{version="1.2.3"}': "1",
    };
    for (const [series, value] of Object.entries(expected)) expect(lineValue(page, series), series).toBe(value);
  });

  it("is text that Prometheus can read: each family headed once, each line a name, labels and a number", () => {
    const metrics = make();
    metrics.record(sampleCallRecord());
    metrics.record(sampleCallRecord((event) => (event.outcome = Outcome.CANCELLED)));
    metrics.addGauge({ name: "llmgateway_in_flight", help: "Calls.", type: "gauge", collect: () => 3 });
    const lines = metrics.format().trimEnd().split("\n");
    const heads = lines.filter((line) => line.startsWith("# TYPE"));
    expect(new Set(heads).size).toBe(heads.length);
    for (const line of lines.filter((text) => !text.startsWith("#"))) {
      expect(line).toMatch(/^[a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (?:[0-9.e+-]+)$/);
    }
  });

  it("asks for gauges when it is made, one number or one for each label set", () => {
    const metrics = make();
    let depth = 1;
    metrics.addGauge({ name: "llmgateway_outbox_depth", help: "Events.", type: "gauge", collect: () => depth });
    metrics.addGauge({
      name: "llmgateway_target_healthy",
      help: "1: in use.",
      type: "gauge",
      collect: () => [{ labels: { target: 'a"b\\c\nd' }, value: 0 }],
    });
    depth = 7;
    const page = metrics.format();
    expect(lineValue(page, "llmgateway_outbox_depth")).toBe("7");
    expect(page).toContain(String.raw`llmgateway_target_healthy{target="a\"b\\c\nd"} 0`);
    expect(() =>
      metrics.addGauge({ name: "llmgateway_outbox_depth", help: "", type: "gauge", collect: () => 0 }),
    ).toThrow(/stands twice/);
  });

  it("does not grow with the names that callers make up", () => {
    const metrics = make(10);
    for (let index = 0; index < 1000; index += 1) {
      metrics.record(
        sampleCallRecord((event) => {
          event.requestedModel = `made-up-${index}`;
        }),
      );
    }
    const page = metrics.format();
    expect(lineValue(page, 'llmgateway_project_calls_total{project_id="other",gen_ai_request_model="other"}')).toBe(
      "990",
    );
    expect(page.match(/^llmgateway_project_calls_total\{/gm)).toHaveLength(11);
  });

  it("has no name of a model that was not found, since that is any text of the caller", () => {
    const metrics = make();
    metrics.record(
      sampleCallRecord((event) => {
        Object.assign(event, { requestedModel: "canary", model: "", provider: "", attempts: [] });
        event.errorReason = ErrorReason.MODEL_NOT_FOUND;
      }),
    );
    expect(metrics.format()).not.toContain("canary");
  });
});
