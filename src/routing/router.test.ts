import { describe, expect, it } from "vitest";
import type { ModelConfig } from "../config/config.ts";
import { type CompleteRequest, ErrorReason, Meter, RoutingStrategy, UnsupportedParameterPolicy } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { Itinerary, RouteStep } from "./itinerary.ts";
import { createRouter, type RouterOptions, type RoutingDesk } from "./router.ts";
import { caller, modelConfig, queryOf, requestOf, targetConfig, targetOf } from "./routing-fixture.ts";
import { routingLimits } from "./routing-limits.ts";
import { compileRules } from "./rules.ts";

/** Nano-USD per million tokens, of input and of output, by provider. */
const pricesByProvider: Readonly<Record<string, number>> = { cheap: 1_000, dear: 9_000 };

function routerOf(models: readonly ModelConfig[], changes: Partial<RouterOptions> = {}): RoutingDesk {
  return createRouter({
    models,
    targetOf,
    random: () => 0.5,
    prices: {
      prices({ providerId }) {
        const price = pricesByProvider[providerId];
        if (price === undefined) return undefined;
        return {
          prices: [
            priceRow(Meter.INPUT_TOKENS, price),
            priceRow(Meter.OUTPUT_TOKENS, price),
            priceRow(Meter.CACHE_READ_INPUT_TOKENS, price / 10),
          ],
        };
      },
    },
    ...changes,
  });
}

function priceRow(meter: Meter, nanoUsdPerMillion: number) {
  return {
    $typeName: "llmgateway.v1.Price" as const,
    meter,
    nanoUsdPerMillion: BigInt(nanoUsdPerMillion) * 1_000_000n,
    serviceTier: "",
    tool: "",
  };
}

function candidatesOf(router: RoutingDesk, request: CompleteRequest, inputTokens = 100): readonly string[] {
  return router.begin(queryOf(request, { inputTokens })).candidates.map(({ target }) => target.id);
}

function failureOf(run: () => unknown): CallFailure {
  try {
    run();
  } catch (error) {
    if (error instanceof CallFailure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

function fail(itinerary: Itinerary, step: RouteStep, failure: ProviderFailure, nowMs: number): string {
  if (step.kind !== "attempt") throw new Error("gave up");
  itinerary.started(step.planned, nowMs);
  itinerary.failed(step.planned, failure, nowMs);
  return step.planned.target.id;
}

function reasonOf(step: RouteStep): ErrorReason {
  if (step.kind !== "give-up") throw new Error("went on");
  return step.toFailure([]).reason;
}

describe("providers that the credential allows", () => {
  const router = routerOf([
    modelConfig("chat", [targetConfig("a"), targetConfig("b")], { fallbackModels: ["spare"] }),
    modelConfig("spare", [targetConfig("c")]),
    modelConfig("foreign", [targetConfig("b")]),
  ]);
  const onlyA = { ...caller, providers: ["a"] };
  const begin = (request: CompleteRequest, who: typeof onlyA = onlyA) =>
    router.begin(queryOf(request, { caller: who })).candidates.map(({ target }) => target.id);

  it("are the only ones that are tried, also for fallbacks", () => {
    expect(begin(requestOf("chat"))).toEqual(["a"]);
    expect(begin(requestOf("chat"), { ...caller, providers: ["a", "c"] })).toEqual(["a", "c"]);
    expect(begin(requestOf("chat"), { ...caller, providers: ["otel.*"] })).toEqual(["a", "b", "c"]);
    const routing = { fallbackModels: ["spare"] };
    expect(begin(requestOf("chat", "", { routing }), { ...caller, providers: ["c"] })).toEqual(["c"]);
  });

  it("are narrowed by the wishes of the request, which name no other", () => {
    const both = { ...caller, providers: ["a", "b"] };
    expect(begin(requestOf("chat", "", { routing: { allowedProviders: ["b", "c"] } }), both)).toEqual(["b"]);
    const failure = failureOf(() => begin(requestOf("chat", "", { routing: { allowedProviders: ["c"] } }), both));
    expect(failure.reason).toBe(ErrorReason.CAPABILITY_UNSUPPORTED);
    expect(failure.facts.violations?.map(({ description }) => description.split(":")[0])).toEqual(["a", "b"]);
  });

  it("refuse a model that none of them has as one that does not exist", () => {
    const refusals = ["foreign", "nothing"].map((model) => failureOf(() => begin(requestOf(model))));
    const [first, second] = refusals.map(({ reason, message, facts }) => ({
      reason,
      message,
      facts: { ...facts, resource: facts.resource?.type },
    }));
    expect(first?.reason).toBe(ErrorReason.MODEL_NOT_ALLOWED);
    expect(first).toEqual(second);
    const wished = requestOf("chat", "", { routing: { fallbackModels: ["foreign"] } });
    expect(failureOf(() => begin(wished)).reason).toBe(ErrorReason.MODEL_NOT_ALLOWED);
  });

  it("hold for a model that a rule chooses", async () => {
    const rules = await compileRules([{ id: "elsewhere", when: "true", model: "foreign" }]);
    const ruled = routerOf([modelConfig("chat", [targetConfig("a")]), modelConfig("foreign", [targetConfig("b")])], {
      rules,
    });
    const failure = failureOf(() => ruled.begin(queryOf(requestOf("chat"), { caller: onlyA })));
    expect(failure.reason).toBe(ErrorReason.MODEL_NOT_ALLOWED);
    expect(failure.facts.resource?.name).toBe("chat");
  });

  it("hold for the model that a budget falls back to", () => {
    const to = (model: string) =>
      queryOf(requestOf("chat"), { caller: onlyA, budgetFallback: { budgetId: "x", model } });
    expect(failureOf(() => router.begin(to("foreign"))).reason).toBe(ErrorReason.BUDGET_EXHAUSTED);
    expect(router.begin(to("chat")).candidates.map(({ target }) => target.id)).toEqual(["a"]);
  });

  it("are told as a limit of the credential, without the names of others", () => {
    const plan = router.explain(queryOf(requestOf("chat"), { caller: onlyA }));
    expect(plan).toMatchObject({ isNarrowed: true, excluded: [] });
    expect(plan.targets.map(({ target }) => target.id)).toEqual(["a"]);
    expect(router.explain(queryOf(requestOf("chat"))).isNarrowed).toBe(false);
  });

  it("decide which targets of a model are shown", () => {
    const shown = (model: string, providers: readonly string[]) =>
      router.reachableTargets(model, { providers })?.map(({ id }) => id);
    expect(shown("chat", ["a"])).toEqual(["a"]);
    expect(shown("chat", ["c"])).toEqual(["c"]);
    expect(shown("foreign", ["a"])).toBeUndefined();
    expect(router.reachableTargets("nothing", caller)).toBeUndefined();
  });
});

describe("naming a model", () => {
  const router = routerOf([modelConfig("chat", [targetConfig("a")]), modelConfig("other", [targetConfig("b")])]);

  it("lists models and their targets in the order of the config", () => {
    expect(router.modelIds).toEqual(["chat", "other"]);
    expect(router.targets("chat")?.map(({ id }) => id)).toEqual(["a"]);
    expect(router.targets("nothing")).toBeUndefined();
  });

  it("says that a model does not exist only to those who may name all", () => {
    expect(failureOf(() => router.begin(queryOf(requestOf("nothing")))).reason).toBe(ErrorReason.MODEL_NOT_FOUND);
    const narrow = { ...caller, models: ["other"] };
    for (const model of ["nothing", "chat"]) {
      const failure = failureOf(() => router.begin(queryOf(requestOf(model), { caller: narrow })));
      expect(failure.reason).toBe(ErrorReason.MODEL_NOT_ALLOWED);
      expect(failure.facts.resource).toEqual({ type: "model", name: model });
    }
    expect(router.begin(queryOf(requestOf("other"), { caller: narrow })).modelId).toBe("other");
  });

  it("lets a rule of the operator choose another model, and says which rule", async () => {
    const rules = await compileRules([{ id: "small", when: "request.input_tokens < 50", model: "other" }]);
    const ruled = routerOf([modelConfig("chat", [targetConfig("a")]), modelConfig("other", [targetConfig("b")])], {
      rules,
    });
    const small = ruled.begin(queryOf(requestOf("chat"), { inputTokens: 10, caller: { ...caller, models: ["chat"] } }));
    expect([small.ruleId, small.modelId]).toEqual(["small", "other"]);
    expect(ruled.begin(queryOf(requestOf("chat"))).ruleId).toBe("");
  });

  it("refuses a config whose rules or fallbacks name no model", async () => {
    const rules = await compileRules([{ id: "r", when: "true", model: "nothing" }]);
    expect(() => routerOf([modelConfig("chat", [targetConfig("a")])], { rules })).toThrow(/nothing/);
    expect(() => routerOf([modelConfig("chat", [targetConfig("a")], { fallbackModels: ["nothing"] })])).toThrow(
      /nothing/,
    );
  });
});

describe("filters", () => {
  const router = routerOf([
    modelConfig("chat", [
      targetConfig("us-text", {
        region: "us",
        facts: { inputModalities: ["text"], tools: false, contextWindow: 1_000 },
      }),
      targetConfig("eu-all", {
        region: "eu-west-1",
        zeroDataRetention: true,
        facts: {
          inputModalities: ["text", "image"],
          tools: true,
          jsonSchema: false,
          reasoning: false,
          contextWindow: 8_000,
        },
      }),
      targetConfig("unknown"),
    ]),
  ]);

  it.each([
    { wish: "an allowed provider by id", routing: { allowedProviders: ["EU-all"] }, left: ["eu-all"] },
    {
      wish: "a provider denied by its OpenTelemetry name",
      routing: { deniedProviders: ["otel.us-text"] },
      left: ["eu-all", "unknown"],
    },
    { wish: "a region", routing: { allowedRegions: ["EU-West-1"] }, left: ["eu-all"] },
    { wish: "a region by its continent", routing: { allowedRegions: ["u", "eu"] }, left: ["eu-all"] },
    { wish: "zero data retention", routing: { requireZeroDataRetention: true }, left: ["eu-all"] },
  ])("keeps to $wish", ({ routing, left }) => {
    expect(candidatesOf(router, requestOf("chat", "hi", { routing }))).toEqual(left);
  });

  it("sends an image, a tool or a schema to no target known to lack it, and to one of which nothing is known", () => {
    const image = {
      content: { case: "image" as const, value: { source: { case: "uri" as const, value: "https://a/b" } } },
    };
    expect(candidatesOf(router, requestOf("chat", "hi", { messages: [{ role: 2, parts: [image] }] }))).toEqual([
      "eu-all",
      "unknown",
    ]);
    const nested = { content: { case: "toolResult" as const, value: { callId: "1", content: [image] } } };
    expect(candidatesOf(router, requestOf("chat", "hi", { messages: [{ role: 4, parts: [nested] }] }))).toEqual([
      "eu-all",
      "unknown",
    ]);
    const tools = [{ kind: { case: "function" as const, value: { name: "f" } } }];
    expect(candidatesOf(router, requestOf("chat", "hi", { tools }))).toEqual(["eu-all", "unknown"]);
    const responseFormat = { format: { case: "jsonSchema" as const, value: { schemaJson: "{}" } } };
    expect(candidatesOf(router, requestOf("chat", "hi", { responseFormat }))).toEqual(["us-text", "unknown"]);
  });

  it("leaves out windows that are too small for the input", () => {
    expect(candidatesOf(router, requestOf("chat"), 2_000)).toEqual(["eu-all", "unknown"]);
  });

  it("names the field that leaves no target", () => {
    const routing = { allowedProviders: ["eu-all"], allowedRegions: ["us"] };
    const failure = failureOf(() => router.begin(queryOf(requestOf("chat", "hi", { routing }))));
    expect(failure.reason).toBe(ErrorReason.CAPABILITY_UNSUPPORTED);
    expect(failure.facts.violations?.map(({ field }) => field)).toContain("routing.allowed_regions");
  });

  it("says that the input is too long when only the windows are too small, after some slack for the estimate", () => {
    const small = routerOf([modelConfig("chat", [targetConfig("a", { facts: { contextWindow: 1_000 } })])]);
    expect(candidatesOf(small, requestOf("chat"), 1_200)).toEqual(["a"]);
    const failure = failureOf(() => small.begin(queryOf(requestOf("chat"), { inputTokens: 1_300 })));
    expect(failure.reason).toBe(ErrorReason.CONTEXT_LENGTH_EXCEEDED);
    expect(failure.facts.metadata).toEqual({ limit: "1000", actual: "1300" });
  });

  it("drops reasoning rather than the call when no target reasons, unless the caller forbids", () => {
    const plain = routerOf([modelConfig("chat", [targetConfig("a", { facts: { reasoning: false } })])]);
    const reasoning = { budgetTokens: 100 };
    expect(candidatesOf(plain, requestOf("chat", "hi", { reasoning }))).toEqual(["a"]);
    const strict = requestOf("chat", "hi", { reasoning, unsupportedParameters: UnsupportedParameterPolicy.REJECT });
    expect(failureOf(() => plain.begin(queryOf(strict))).reason).toBe(ErrorReason.CAPABILITY_UNSUPPORTED);
  });

  it("leaves out targets above the most that the call may cost", () => {
    const priced = routerOf([modelConfig("chat", [targetConfig("dear"), targetConfig("cheap")])]);
    const maxCostNanoUsd = 2_000n * 600n;
    expect(candidatesOf(priced, requestOf("chat", "hi", { routing: { maxCostNanoUsd } }))).toEqual(["cheap"]);
  });
});

describe("order", () => {
  it("follows the caller's strategy before the configured one", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("dear"), targetConfig("cheap")])]);
    expect(candidatesOf(router, requestOf("chat"))).toEqual(["dear", "cheap"]);
    const routing = { strategy: RoutingStrategy.COST };
    expect(candidatesOf(router, requestOf("chat", "hi", { routing }))).toEqual(["cheap", "dear"]);
  });

  it("goes through the configured fallback models, or those of the caller, each target once", () => {
    const router = routerOf([
      modelConfig("chat", [targetConfig("a")], { fallbackModels: ["second"] }),
      modelConfig("second", [targetConfig("a"), targetConfig("b")]),
      modelConfig("third", [targetConfig("c")]),
    ]);
    expect(candidatesOf(router, requestOf("chat"))).toEqual(["a", "b"]);
    expect(candidatesOf(router, requestOf("chat", "hi", { routing: { fallbackModels: ["third"] } }))).toEqual([
      "a",
      "c",
    ]);
    const narrow = queryOf(requestOf("chat", "hi", { routing: { fallbackModels: ["third"] } }), {
      caller: { ...caller, models: ["chat"] },
    });
    expect(failureOf(() => router.begin(narrow)).reason).toBe(ErrorReason.MODEL_NOT_ALLOWED);
  });

  it("puts a target behind that would probably not answer within the deadline", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("slow"), targetConfig("new")])]);
    const first = router.begin(queryOf(requestOf("chat")));
    const step = first.next(1_000);
    if (step.kind !== "attempt") throw new Error("gave up");
    first.started(step.planned, 1_000);
    first.succeeded(step.planned, { durationMs: 20_000, timeToFirstTokenMs: 10_000, outputTokens: 50 }, 21_000);
    const at = { nowMs: 21_000 };
    const patient = router.begin(queryOf(requestOf("chat"), { ...at, deadlineMs: 60_000 }));
    expect(patient.candidates[0]?.target.id).toBe("slow");
    const hurried = router.begin(queryOf(requestOf("chat"), { ...at, deadlineMs: 26_000 }));
    expect(hurried.candidates.map(({ target }) => target.id)).toEqual(["new", "slow"]);
    expect(hurried.skipped).toEqual([]);
  });

  it("counts what a target's cache holds of a conversation as cheaper", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("dear"), targetConfig("cheap")], { strategy: "cost" })]);
    const query = queryOf(requestOf("chat", "hi", { conversationId: "talk" }), { inputTokens: 10_000 });
    const costOfDear = (): number | undefined =>
      router.explain(query).targets.find(({ target }) => target.id === "dear")?.expectedCostNanoUsd;
    const before = costOfDear();
    const itinerary = router.begin(query);
    const dear = itinerary.candidates.find(({ target }) => target.id === "dear");
    if (dear === undefined) throw new Error("not a candidate");
    itinerary.started(dear, 1_000);
    itinerary.succeeded(dear, { durationMs: 10, timeToFirstTokenMs: 5, outputTokens: 500 }, 1_000);
    expect(before).toBe(9_000 * 10_500);
    expect(costOfDear()).toBe(9_000 * 500 + 900 * 10_000);
    expect(router.begin(query).candidates[0]?.target.id).toBe("cheap"); // Still: 1,000 × 10,500 is less.
  });

  it("keeps a conversation with the target whose cache holds it", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a"), targetConfig("b")], { strategy: "least_busy" })]);
    const request = requestOf("chat", "hi", { routing: { affinityKey: "talk" } });
    const first = router.begin(queryOf(request));
    const step = first.next(1_000);
    if (step.kind !== "attempt") throw new Error("gave up");
    first.started(step.planned, 1_000);
    first.succeeded(step.planned, { durationMs: 10, timeToFirstTokenMs: 5, outputTokens: 3 }, 1_000);
    const other = router.targets("chat")?.find(({ id }) => id !== step.planned.target.id);
    expect(other).toBeDefined();
    for (let count = 0; count < 3; count += 1) {
      const next = router.begin(queryOf(request)).next(1_100);
      if (next.kind !== "attempt") throw new Error("gave up");
      expect(next.planned.target.id).toBe(step.planned.target.id);
      first.cancelled(step.planned, 1_000);
    }
  });
});

describe("after a failure", () => {
  const overloaded = new ProviderFailure("overloaded", "full");

  it("tries each target once before it asks one again, within the one budget", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a"), targetConfig("b")])]);
    const itinerary = router.begin(queryOf(requestOf("chat")));
    expect(fail(itinerary, itinerary.next(1_000), overloaded, 1_000)).toBe("a");
    expect(fail(itinerary, itinerary.next(1_000), overloaded, 1_000)).toBe("b");
    const third = itinerary.next(1_000);
    expect(third.kind === "attempt" && third.afterMs).toBeGreaterThan(0);
    fail(itinerary, third, overloaded, 2_000);
    expect(reasonOf(itinerary.next(2_000))).toBe(ErrorReason.PROVIDER_OVERLOADED);
  });

  it("lets the caller narrow the budget, never widen it", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a"), targetConfig("b")])]);
    const narrow = router.begin(queryOf(requestOf("chat", "hi", { routing: { maxAttempts: 1 } })));
    fail(narrow, narrow.next(1_000), overloaded, 1_000);
    expect(narrow.next(1_000).kind).toBe("give-up");
    expect(router.explain(queryOf(requestOf("chat", "hi", { routing: { maxAttempts: 9 } }))).attemptsMax).toBe(3);
  });

  it("does not carry a request that is wrong to other targets", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a"), targetConfig("b")])]);
    const itinerary = router.begin(queryOf(requestOf("chat")));
    fail(itinerary, itinerary.next(1_000), new ProviderFailure("rejected-request", "no", { httpStatus: 400 }), 1_000);
    expect(reasonOf(itinerary.next(1_000))).toBe(ErrorReason.PROVIDER_REJECTED_REQUEST);
  });

  it("carries input that is too long only to a larger window", () => {
    const router = routerOf([
      modelConfig("chat", [
        targetConfig("small", { facts: { contextWindow: 1_000 } }),
        targetConfig("same", { facts: { contextWindow: 1_000 } }),
        targetConfig("large", { facts: { contextWindow: 9_000 } }),
      ]),
    ]);
    const itinerary = router.begin(queryOf(requestOf("chat")));
    fail(itinerary, itinerary.next(1_000), new ProviderFailure("context-length", "long"), 1_000);
    const step = itinerary.next(1_000);
    expect(step.kind === "attempt" && step.planned.target.id).toBe("large");
  });

  it("carries filtered content only to a fallback model", () => {
    const router = routerOf([
      modelConfig("chat", [targetConfig("a"), targetConfig("b")], { fallbackModels: ["other"] }),
      modelConfig("other", [targetConfig("c")]),
    ]);
    const itinerary = router.begin(queryOf(requestOf("chat")));
    fail(itinerary, itinerary.next(1_000), new ProviderFailure("content-filtered", "no"), 1_000);
    const step = itinerary.next(1_000);
    expect(step.kind === "attempt" && step.planned.target.id).toBe("c");
  });

  it("opens a target for long whose key was refused, unless it has another key", () => {
    const refused = new ProviderFailure("credentials-rejected", "no", { httpStatus: 401 });
    const one = routerOf([modelConfig("chat", [targetConfig("a"), targetConfig("b")])]);
    const itinerary = one.begin(queryOf(requestOf("chat")));
    fail(itinerary, itinerary.next(1_000), refused, 1_000);
    expect(one.begin(queryOf(requestOf("chat"), { nowMs: 50_000 })).skipped.map(({ because }) => because)).toEqual([
      "circuit-open",
    ]);

    const two = routerOf([modelConfig("chat", [targetConfig("a")])], { credentialsOf: () => 2 });
    const rotating = two.begin(queryOf(requestOf("chat")));
    fail(rotating, rotating.next(1_000), refused, 1_000);
    const again = rotating.next(1_000);
    expect(again.kind === "attempt" && again.planned.target.id).toBe("a");
  });

  it("rests a rate-limited target for the time that the provider names, and says so when there is no other", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a")])]);
    const itinerary = router.begin(queryOf(requestOf("chat")));
    fail(
      itinerary,
      itinerary.next(1_000),
      new ProviderFailure("rate-limited", "slow", { retryAfterMs: 30_000 }),
      1_000,
    );
    const end = itinerary.next(1_000);
    if (end.kind !== "give-up") throw new Error("went on");
    expect(end.toFailure([]).reason).toBe(ErrorReason.PROVIDER_RATE_LIMITED);
    expect(end.toFailure([]).facts.retryAfterMs).toBe(30_000);

    const next = router.begin(queryOf(requestOf("chat"), { nowMs: 11_000 }));
    expect(next.skipped.map(({ because }) => because)).toEqual(["cooling-down"]);
    const nobody = next.next(11_000);
    if (nobody.kind !== "give-up") throw new Error("went on");
    expect(nobody.toFailure([]).reason).toBe(ErrorReason.NO_HEALTHY_TARGET);
    expect(nobody.toFailure([]).facts.retryAfterMs).toBe(20_000);
  });

  it("waits for a short cooldown if the deadline allows, and does not begin a wait that it does not", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a")])]);
    const limited = router.begin(queryOf(requestOf("chat")));
    fail(limited, limited.next(1_000), new ProviderFailure("rate-limited", "slow", { retryAfterMs: 2_000 }), 1_000);
    const patient = router.begin(queryOf(requestOf("chat"), { deadlineMs: 9_000 })).next(1_000);
    expect(patient.kind === "attempt" && patient.afterMs).toBeGreaterThanOrEqual(2_000);
    const hurried = router.begin(queryOf(requestOf("chat"), { deadlineMs: 2_500 })).next(1_000);
    expect(hurried.kind).toBe("give-up");
  });

  it("starts nothing when the deadline leaves no time", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a")])]);
    expect(reasonOf(router.begin(queryOf(requestOf("chat"), { deadlineMs: 1_005 })).next(1_000))).toBe(
      ErrorReason.DEADLINE_EXCEEDED,
    );
  });

  it("does not count a target that cannot express the request", () => {
    const router = routerOf([
      modelConfig("chat", [targetConfig("a"), targetConfig("b")], { retry: { maxAttempts: 1 } }),
    ]);
    const itinerary = router.begin(queryOf(requestOf("chat")));
    for (const id of ["a", "b"]) {
      const step = itinerary.next(1_000);
      if (step.kind !== "attempt") throw new Error("gave up");
      expect(step.planned.target.id).toBe(id);
      itinerary.unsupported(step.planned);
    }
    expect(reasonOf(itinerary.next(1_000))).toBe(ErrorReason.CAPABILITY_UNSUPPORTED);
  });
});

describe("one caller among others", () => {
  function afterTimeouts(routing: { firstTokenTimeout?: { nanos: number } }): readonly string[] {
    const router = routerOf([modelConfig("chat", [targetConfig("a")], { retry: { maxAttempts: 1 } })]);
    for (let count = 0; count < 10; count += 1) {
      const itinerary = router.begin(queryOf(requestOf("chat", "hi", { routing })));
      const step = itinerary.next(1_000);
      if (step.kind === "attempt") fail(itinerary, step, new ProviderFailure("timeout", "slow"), 1_000);
    }
    return router.begin(queryOf(requestOf("chat"))).skipped.map(({ because }) => because);
  }

  it("cannot take a target from the others by time-outs of its own", () => {
    expect(afterTimeouts({ firstTokenTimeout: { nanos: 1_000_000 } })).toEqual([]);
    expect(afterTimeouts({})).toEqual(["circuit-open"]);
  });
});

describe("load", () => {
  it("keeps to a target's limit of calls in flight", () => {
    const router = routerOf([
      modelConfig("chat", [targetConfig("a", { maxConcurrentRequests: 1 }), targetConfig("b")]),
    ]);
    const first = router.begin(queryOf(requestOf("chat")));
    const step = first.next(1_000);
    if (step.kind !== "attempt") throw new Error("gave up");
    first.started(step.planned, 1_000);
    const second = router.begin(queryOf(requestOf("chat")));
    expect(second.skipped.map(({ because }) => because)).toEqual(["busy"]);
    expect(second.candidates[0]?.target.id).toBe("b");
    first.cancelled(step.planned, 1_500);
    expect(router.begin(queryOf(requestOf("chat"))).skipped).toEqual([]);
  });

  it("gives the last free place of a target to one of two calls that come at once, and frees it when nothing starts", () => {
    const router = routerOf([
      modelConfig("chat", [targetConfig("a", { maxConcurrentRequests: 1 }), targetConfig("b")]),
    ]);
    const [first, second] = [0, 1].map(() => router.begin(queryOf(requestOf("chat"))));
    const steps = [first?.next(1_000), second?.next(1_000)]; // Neither has started: both are being prepared.
    expect(steps.map((step) => step?.kind === "attempt" && step.planned.target.id)).toEqual(["a", "b"]);
    const [step] = steps;
    if (step?.kind !== "attempt") throw new Error("gave up");
    first?.unsupported(step.planned);
    expect(router.begin(queryOf(requestOf("chat"))).skipped).toEqual([]);
  });

  it("waits for a free place, takes it when there is one, and gives up after as long as any wait may take", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a", { maxConcurrentRequests: 1 })])]);
    const holder = router.begin(queryOf(requestOf("chat")));
    const held = holder.next(1_000);
    if (held.kind !== "attempt") throw new Error("gave up");
    const [patient, lucky, hasty] = [undefined, undefined, 1_020].map((deadlineMs) =>
      router.begin(queryOf(requestOf("chat"), { deadlineMs })),
    );
    expect(hasty?.next(1_000).kind).toBe("give-up");
    expect(lucky?.next(1_000).kind).toBe("wait");
    let nowMs = 1_000;
    for (let step = patient?.next(nowMs); step?.kind === "wait"; step = patient?.next(nowMs)) nowMs += step.afterMs;
    expect(nowMs).toBeGreaterThan(1_000 + routingLimits.waitMsMax - 100);
    expect(nowMs).toBeLessThanOrEqual(1_000 + routingLimits.waitMsMax);
    holder.started(held.planned, 1_000);
    holder.cancelled(held.planned, 2_000);
    expect(lucky?.next(2_000).kind).toBe("attempt");
  });

  it("goes elsewhere before the provider's rate limit is reached, and slows down when there is nowhere else", () => {
    const headers = {
      "x-ratelimit-limit-requests": "10",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "10s",
    };
    for (const { ids, expected } of [
      { ids: ["a", "b"], expected: { id: "b", afterMs: 0 } },
      { ids: ["a"], expected: { id: "a", afterMs: 1_000 } },
    ]) {
      const router = routerOf([
        modelConfig(
          "chat",
          ids.map((id) => targetConfig(id)),
        ),
      ]);
      const first = router.begin(queryOf(requestOf("chat")));
      const step = first.next(1_000);
      if (step.kind !== "attempt") throw new Error("gave up");
      first.observed(step.planned, headers, 1_000);
      const second = router.begin(queryOf(requestOf("chat"))).next(1_000);
      expect(second.kind === "attempt" && { id: second.planned.target.id, afterMs: second.afterMs }).toEqual(expected);
    }
  });

  it("lets calls that wait for the same rate limit come one after the other", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a")])]);
    const first = router.begin(queryOf(requestOf("chat")));
    const step = first.next(1_000);
    if (step.kind !== "attempt") throw new Error("gave up");
    const headers = {
      "x-ratelimit-limit-requests": "10",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "10s",
    };
    first.observed(step.planned, headers, 1_000);
    const waits = [1, 2, 3].map(() => {
      const itinerary = router.begin(queryOf(requestOf("chat")));
      expect(itinerary.skipped).toEqual([]); // Slowed down, not left out.
      const next = itinerary.next(1_000);
      return next.kind === "attempt" ? next.afterMs : undefined;
    });
    expect(waits).toEqual([1_000, 2_000, 3_000]);
  });
});

describe("hedging", () => {
  function hedgeAfter(hedgeDelayMs: number | undefined, targets: number, answers: number): number | undefined {
    const configs = ["a", "b"].slice(0, targets).map((id) => targetConfig(id));
    const router = routerOf([modelConfig("chat", configs, { retry: { maxAttempts: 3, hedgeDelayMs } })]);
    for (let count = 0; count < answers; count += 1) {
      const itinerary = router.begin(queryOf(requestOf("chat")));
      const step = itinerary.next(1_000);
      if (step.kind !== "attempt") throw new Error("gave up");
      itinerary.started(step.planned, 1_000);
      itinerary.succeeded(step.planned, { durationMs: 900, timeToFirstTokenMs: 10 * count, outputTokens: 5 }, 1_000);
    }
    const step = router.begin(queryOf(requestOf("chat"))).next(1_000);
    return step.kind === "attempt" ? step.hedgeAfterMs : undefined;
  }

  it("waits as long as configured, else for the p95 of the target once it is known", () => {
    expect(hedgeAfter(300, 2, 0)).toBe(300);
    expect(hedgeAfter(0, 2, 0)).toBeUndefined();
    expect(hedgeAfter(0, 2, 100)).toBe(950);
  });

  it("does not hedge unasked, nor without a second target", () => {
    expect(hedgeAfter(undefined, 2, 100)).toBeUndefined();
    expect(hedgeAfter(300, 1, 0)).toBeUndefined();
  });
});

describe("explain", () => {
  it("says what would happen, and changes nothing", () => {
    const router = routerOf([
      modelConfig(
        "chat",
        [targetConfig("dear"), targetConfig("cheap"), targetConfig("blind", { facts: { tools: false } })],
        {
          strategy: "cost",
        },
      ),
    ]);
    const query = queryOf(requestOf("chat", "hi", { tools: [{ kind: { case: "function", value: { name: "f" } } }] }));
    const first = router.explain(query);
    expect(first.targets.map(({ target, expectedCostNanoUsd }) => [target.id, expectedCostNanoUsd])).toEqual([
      ["cheap", 600_000],
      ["dear", 5_400_000],
    ]);
    expect(first.excluded.map(({ target, because }) => [target.id, because])).toEqual([
      ["blind", "its model lacks tools"],
    ]);
    expect(router.explain(query)).toEqual(first);
  });

  it("shows why a target would be passed over", () => {
    const router = routerOf([modelConfig("chat", [targetConfig("a"), targetConfig("b")])]);
    const itinerary = router.begin(queryOf(requestOf("chat")));
    fail(itinerary, itinerary.next(1_000), new ProviderFailure("rate-limited", "slow", { retryAfterMs: 9_000 }), 1_000);
    const explained = router.explain(queryOf(requestOf("chat")));
    expect(explained.targets.map(({ target, skippedBecause }) => [target.id, skippedBecause])).toEqual([
      ["b", undefined],
      ["a", "cooling-down"],
    ]);
    const [state] = router.targetStates(1_000);
    expect(state?.health.unavailableUntilMs).toBe(10_000);
  });
});

describe("a budget that sends calls elsewhere", () => {
  const router = routerOf([
    modelConfig("named", [targetConfig("dear")]),
    modelConfig("instead", [targetConfig("cheap")], { fallbackModels: ["last"] }),
    modelConfig("last", [targetConfig("free")]),
  ]);
  const begin = (model: string) =>
    router.begin(queryOf(requestOf("named"), { budgetFallback: { budgetId: "b", model } }));

  it("leads to its model, and on to the fallbacks of that one", () => {
    const itinerary = begin("instead");
    expect(itinerary.candidates.map(({ target }) => target.id)).toEqual(["cheap", "free"]);
    expect(itinerary.modelId).toBe("instead");
  });

  it("is used up, and says so, when its model is gone", () => {
    const failure = failureOf(() => begin("gone"));
    expect(failure.reason).toBe(ErrorReason.BUDGET_EXHAUSTED);
    expect(failure.facts).toMatchObject({ metadata: { budgetId: "b" }, quota: [{ subject: "budget/b" }] });
  });
});

describe("a rule that refuses", () => {
  const models = [modelConfig("named", [targetConfig("dear")]), modelConfig("instead", [targetConfig("cheap")])];
  const rules = [
    { id: "no-images", when: "request.has_images && caller.project == 'search'", model: undefined },
    { id: "small-only", when: "request.input_tokens > 1000 && labels['size'] != 'any'", model: undefined },
  ];

  it("ends the call before anything is tried, also one that a budget sends elsewhere, and also when it cannot be told", async () => {
    const router = routerOf(models, { rules: await compileRules(rules) });
    const budgetFallback = { budgetId: "b", model: "instead" };
    const large = { inputTokens: 2_000 };
    for (const query of [
      queryOf(requestOf("named"), large), // No label: the condition is an error.
      queryOf(requestOf("named", "x", { labels: { size: "some" } }), { ...large, budgetFallback }),
    ]) {
      const failure = failureOf(() => router.begin(query));
      expect(failure.reason).toBe(ErrorReason.PERMISSION_DENIED);
      expect(failure.facts.resource).toEqual({ type: "rule", name: "small-only" });
      expect(failureOf(() => router.explain(query)).reason).toBe(ErrorReason.PERMISSION_DENIED);
    }
    expect(router.begin(queryOf(requestOf("named", "x", { labels: { size: "any" } }), large)).modelId).toBe("named");
    expect(router.begin(queryOf(requestOf("named"))).modelId).toBe("named");
  });
});
