import { describe, expect, it } from "vitest";
import { checkRule } from "./check-rule.ts";
import { queryOf, requestOf } from "./routing-fixture.ts";
import { compileRules } from "./rules.ts";

async function matches(when: string, query = queryOf(requestOf("chat"))): Promise<boolean> {
  const rules = await compileRules([{ id: "rule", when, model: "other" }]);
  return rules.match(query) !== undefined;
}

describe("compileRules", () => {
  it("lets the first rule that is true choose", async () => {
    const rules = await compileRules([
      { id: "never", when: "false", model: "a" },
      { id: "small", when: "request.input_tokens < 200", model: "b" },
      { id: "always", when: "true", model: "c" },
    ]);
    expect(rules.match(queryOf(requestOf("chat")))?.id).toBe("small");
    expect(rules.match(queryOf(requestOf("chat"), { inputTokens: 200 }))?.id).toBe("always");
    expect(rules.models).toEqual(["a", "b", "c"]);
  });

  it("does not match, and counts, when a rule ends in an error", async () => {
    const rules = await compileRules([{ id: "labelled", when: "labels['task'] == 'summarise'", model: "other" }]);
    expect(rules.match(queryOf(requestOf("chat")))).toBeUndefined();
    expect(rules.errors.get("labelled")).toBe(1);
    expect(rules.match(queryOf(requestOf("chat", "hi", { labels: { task: "summarise" } })))?.model).toBe("other");
  });

  it.each([
    "request.model == 'chat'",
    "request['model'] == 'chat'",
    "request.streaming == false",
    "!request.has_tools && !request.has_images && !request.has_schema",
    "request.max_output_tokens == 0",
    "request.task == 'chat' && request.complexity == 'simple' && request.language == 'latin'",
    "caller.project == 'search' && caller.key.startsWith('search-') && 'inference' in caller.roles",
    "now.getHours() == 0 && now.getFullYear() == 1970",
    "now < timestamp('2026-01-01T00:00:00Z')",
    "!('task' in labels) || labels.task == ''",
    "labels.all(name, name != 'secret')",
  ])("reads %s", async (when) => {
    expect(await checkRule(when)).toBeUndefined();
    expect(await matches(when)).toBe(true);
  });

  it("refuses to start with a rule that cannot be read", async () => {
    await expect(compileRules([{ id: "broken", when: "1 +", model: "a" }])).rejects.toThrow(/rule broken: /);
  });
});

describe("checkRule", () => {
  it.each([
    ["1 +", /expecting|found/],
    ["reqest.model == 'a'", /unknown variable reqest/],
    ["request.modle == 'a'", /unknown field request\.modle: there are model/],
    ["caller.tenant == 'a'", /unknown field caller\.tenant/],
    ["lower(request.model) == 'a'", /unknown function lower/],
    ["request.model", /no boolean/],
    ["request.model < 3", /no matching overload/],
    ["labels.all(a, labels.all(b, labels.all(c, true)))", /nested more than 2 deep/],
    [`${"true && ".repeat(300)}true`, /more than 256 parts/],
    [`'${"x".repeat(5_000)}' == ''`, /longer than 4096 characters/],
  ])("finds what is wrong with %.60s", async (when, problem) => {
    expect(await checkRule(when)).toMatch(problem);
  });
});
