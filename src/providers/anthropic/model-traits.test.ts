import { expect, test } from "vitest";
import { traitsOf } from "./model-traits.ts";

test.each([
  ["claude-3-haiku-20240307", { thinking: "none", jsonSchema: false, maxTokensDefault: 4096 }],
  ["claude-3-5-sonnet-latest", { thinking: "none", maxTokensDefault: 8192 }],
  ["claude-3-7-sonnet-20250219", { thinking: "budget", thinkingDisplay: false }],
  ["claude-sonnet-4-20250514", { thinking: "budget", jsonSchema: false, temperatureWithTopP: true }],
  ["claude-opus-4@20250514", { thinking: "budget", jsonSchema: false }],
  ["us.anthropic.claude-haiku-4-5-20251001-v1:0", { thinking: "budget", jsonSchema: true, temperatureWithTopP: false }],
  ["anthropic/claude-haiku-4.5", { thinking: "budget", jsonSchema: true }],
  ["claude-opus-4-6", { thinking: "adaptive", effortXhigh: false, sampling: true }],
  ["claude-opus-4-7", { thinking: "adaptive", effortXhigh: true, sampling: false }],
  ["claude-sonnet-5", { alwaysThinks: false, forcedTool: true, sampling: false }],
  ["claude-sonnet-5-5", { alwaysThinks: true, forcedTool: false }],
  ["claude-haiku-5-5", { alwaysThinks: false, forcedTool: true }],
  ["claude-fable-5-1", { alwaysThinks: true, forcedTool: false }],
  ["a-proxy-s-own-name", { thinking: "adaptive", sampling: true, forcedTool: true, jsonSchema: true }],
])("%s", (model, traits) => {
  expect(traitsOf(model)).toMatchObject(traits);
});
