import { describe, expect, it } from "vitest";
import { MergedMetrics, parsePage } from "./merge-metrics.ts";

function page(calls: number, seconds: number, ready: 0 | 1): string {
  return `# HELP llmgateway_calls_total Finished calls.
# TYPE llmgateway_calls_total counter
llmgateway_calls_total{method="Complete",outcome="say \\"} 1\\""} ${calls}
# HELP llmgateway_calls_in_flight Calls under way.
# TYPE llmgateway_calls_in_flight gauge
llmgateway_calls_in_flight ${calls}
# HELP llmgateway_publisher_ready 1 while events reach NATS.
# TYPE llmgateway_publisher_ready gauge
llmgateway_publisher_ready ${ready}
# HELP process_cpu_seconds_total CPU time used.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total ${seconds}
`;
}

const calls = 'llmgateway_calls_total{method="Complete",outcome="say \\"} 1\\""}';

describe("the metrics page of several processes", () => {
  it("adds up what counts, and shows what belongs to one process for each of them", () => {
    const metrics = new MergedMetrics();
    metrics.update("1", page(3, 0.5, 1));
    metrics.update("2", page(4, 0.25, 0));
    const text = metrics.format();
    expect(text).toContain(`${calls} 7\n`);
    expect(text).toContain("llmgateway_calls_in_flight 7\n");
    expect(text).toContain("llmgateway_publisher_ready 0\n");
    expect(text).toContain('process_cpu_seconds_total{worker="1"} 0.5\n');
    expect(text).toContain('process_cpu_seconds_total{worker="2"} 0.25\n');
    expect(text.match(/# TYPE llmgateway_calls_total counter/g)).toHaveLength(1);
  });

  it("never lets a counter fall when a process ends and another begins at zero", () => {
    const metrics = new MergedMetrics();
    metrics.update("1", page(3, 1, 1));
    metrics.update("2", page(4, 1, 1));
    metrics.end("2");
    metrics.update("2", page(1, 1, 1));
    const text = metrics.format();
    expect(text).toContain(`${calls} 8\n`);
    expect(text).toContain("llmgateway_calls_in_flight 4\n");
    metrics.end("1");
    metrics.end("2");
    expect(metrics.format()).toContain(`${calls} 8\n`);
  });

  it("is the page itself when there is one process, but for the label", () => {
    const metrics = new MergedMetrics();
    metrics.update("1", page(3, 1, 1));
    expect(parsePage(metrics.format().replace('{worker="1"}', ""))).toEqual(parsePage(page(3, 1, 1)));
  });
});
