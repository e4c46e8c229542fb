import { describe, expect, it } from "vitest";
import { covers, isRecent } from "./check-stream.ts";

describe("a stream", () => {
  it.each([
    ["llmgateway.usage.v1.>", true],
    ["llmgateway.>", true],
    [">", true],
    ["*.usage.v1.>", true],
    ["llmgateway.usage.v1.*", false],
    ["llmgateway.usage.v1.*.*.*", false],
    ["llmgateway.usage.v1.search.>", false],
    ["llmgateway.usage.v2.>", false],
    ["llmgateway.usage.v1", false],
  ])("with the subject %s takes every event: %s", (subject, all) => {
    expect(covers(subject, "llmgateway.usage.v1.>")).toBe(all);
  });
});

describe("a NATS server", () => {
  it.each([
    ["2.15.1", true],
    ["2.12.0-RC.1", true],
    ["3.0.0", true],
    ["2.9.10", false],
    ["2.11.9", false],
    ["", false],
  ])("of version %j is recent enough: %s", (version, recent) => {
    expect(isRecent(version)).toBe(recent);
  });
});
