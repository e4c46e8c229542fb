import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { controlHelp, listedModels, noControls, parseModelControls } from "./controls.ts";

const parse = (model: string): unknown => parseModelControls(model, noControls);

describe("the controls in a model name", () => {
  it.each([
    ["sim-small", {}],
    ["sim-tokens-64+pace-20ms", { tokens: 64, paceMs: 20 }],
    ["sim-tools+thinking", { toolCalls: 2, reasoningTokens: 12 }],
    ["sim-fail-429-retry-after-2", { failStatus: 429, retryAfterSeconds: 2 }],
    ["sim-fail-500", { failStatus: 500 }],
    ["sim-cut-after-3", { fault: { kind: "cut", afterPieces: 3 } }],
    ["sim-slow-first-token-2000", { firstTokenMs: 2000 }],
    ["sim-slow+pace-1ms", { firstTokenMs: 500, paceMs: 1 }],
    ["gpt-4.1-mini", {}],
  ])("%s is understood", (model, said) => {
    expect(parse(model)).toEqual({ ...noControls, ...said });
  });

  it.each([
    "sim-",
    "sim-unknown",
    "sim-tokens",
    "sim-tokens-x",
    "sim-fail-200",
    "sim-fail-600",
    "sim-tokens-999999",
    "sim-small+",
  ])("%s is a model that does not exist", (model) => {
    expect(parse(model)).toBeUndefined();
  });

  it("lists only models that exist", () => {
    for (const model of listedModels) expect(parse(model), model).toBeDefined();
  });

  it("understands every word of its help, in any company", () => {
    const words = controlHelp.map(({ form }) => form.replace("fail-N", "fail-500").replaceAll("N", "7"));
    fc.assert(
      fc.property(fc.subarray(words, { minLength: 1 }), (some) => {
        expect(parse(`sim-${some.join("+")}`)).toBeDefined();
      }),
    );
  });
});
