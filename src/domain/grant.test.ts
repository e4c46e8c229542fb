import { array, assert, constantFrom, option, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { type Grant, isWithinGrant, matchesPattern, narrowGrant } from "./grant.ts";

const names = ["a", "ab", "abc", "b", "bc"];
const patterns = array(constantFrom(...names, "a*", "ab*", "b*", "*"), { maxLength: 4 });
const grants = record({
  models: option(patterns, { nil: undefined }),
  providers: option(patterns, { nil: undefined }),
  inputTokensMax: option(constantFrom(1, 2, 3), { nil: undefined }),
});

function lets(grant: Grant, name: string): boolean {
  return grant.models === undefined || matchesPattern(grant.models, name);
}

describe("what two grants allow together", () => {
  it("is exactly what each of them allows", () => {
    assert(
      property(grants, grants, constantFrom(...names, "abx", "z"), (a, b, name) => {
        expect(lets(narrowGrant(a, b), name)).toBe(lets(a, name) && lets(b, name));
      }),
    );
  });

  it("is within both", () => {
    assert(
      property(grants, grants, (a, b) => {
        const both = narrowGrant(a, b);
        expect([isWithinGrant(both, a), isWithinGrant(both, b)]).toEqual([true, true]);
      }),
    );
  });

  it("has the smaller sizes and the common modalities", () => {
    const a: Grant = { inputTokensMax: 10, outputTokensMax: 5, inputModalities: ["text", "image"] };
    const b: Grant = { inputTokensMax: 7, inputModalities: ["image", "audio"], outputModalities: ["text"] };
    expect(narrowGrant(a, b)).toMatchObject({
      inputTokensMax: 7,
      outputTokensMax: 5,
      inputModalities: ["image"],
      outputModalities: ["text"],
    });
  });
});

describe("a grant within another", () => {
  it.each<[Grant, Grant, boolean]>([
    [{}, {}, true],
    [{ models: ["gpt-4*"] }, { models: ["gpt*"] }, true],
    [{ models: ["gpt*"] }, { models: ["gpt-4*"] }, false],
    [{}, { providers: ["openai"] }, false],
    [{ providers: [] }, { providers: ["openai"] }, true],
    [{}, { inputModalities: ["text"] }, false],
    [{ inputModalities: ["text"] }, { inputModalities: ["text", "image"] }, true],
    [{}, { outputTokensMax: 5 }, false],
    [{ outputTokensMax: 6 }, { outputTokensMax: 5 }, false],
    [{ outputTokensMax: 5 }, { outputTokensMax: 5 }, true],
  ])("%j within %j: %s", (wanted, own, isWithin) => {
    expect(isWithinGrant(wanted, own)).toBe(isWithin);
  });
});
