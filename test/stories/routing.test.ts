// What routing promises of a whole gateway process beside failover: limits of targets, rules on record, refused keys told.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttemptOutcome } from "../../src/contract.ts";
import { failureOf } from "../failure-of.ts";
import { ask, eventually, Stage, textOf } from "./stage.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    models: {
      small: ["sim/sim-small"],
      cheap: ["claude/sim-small"],
      keys: ["ring/sim-tokens-7"],
    },
    providers:
      '  - { id: ring, kind: openai, base_url: "SIMULATOR", credentials: { api_key: [{ env: REFUSED_KEY }, { env: GOOD_KEY }] } }\n',
    env: { REFUSED_KEY: "sk-sim-key-refused", GOOD_KEY: "sk-good" },
    yaml: `
  - id: narrow
    targets: [{ provider: sim, model: sim-slow-first-token-300, max_concurrent_requests: 2 }]
  - id: one-by-one
    targets: [{ provider: sim, model: sim-slow-first-token-8000, max_concurrent_requests: 1 }]
rules: [{ id: summaries-are-cheap, when: "'task' in labels && labels['task'] == 'summarise'", model: cheap }]
usage: { journal: { durability: os } }
`,
  });
});

afterAll(() => stage?.close());

describe("a target's limit of calls in flight", () => {
  it("holds for calls that all come at once, and each waits for its turn", async () => {
    let most = 0;
    const look = setInterval(() => {
      most = Math.max(most, stage.simulator.open);
    }, 5);
    const calls = Array.from({ length: 10 }, (_, index) => failureOf(stage.complete(ask("narrow", `call ${index}`))));
    const outcomes = await Promise.all(calls).finally(() => clearInterval(look));
    expect(outcomes.map(({ code }) => code)).toEqual(outcomes.map(() => 0));
    expect(most).toBe(2);
  });

  it("refuses with a retry who would wait too long, and ends with the caller's deadline", async () => {
    const first = failureOf(stage.complete(ask("one-by-one", "takes its time")));
    await stage.simulator.waitForRequest(({ body }) => body.includes("takes its time"));
    const short = failureOf(stage.complete(ask("one-by-one", "has no time"), { metadata: { "grpc-timeout": "700m" } }));
    const patient = await failureOf(stage.complete(ask("one-by-one", "waits in vain")));
    expect(patient.reason).toBe("NO_HEALTHY_TARGET");
    expect(["NO_HEALTHY_TARGET", "DEADLINE_EXCEEDED"]).toContain((await short).reason);
    expect((await first).code).toBe(0);
    expect(stage.simulator.requests.filter(({ body }) => body.includes("has no time"))).toEqual([]);
  });
});

describe("a rule", () => {
  it("stands in the event of the call whose model it chose, with the arm that served", async () => {
    const answer = await stage.complete({ ...ask("small"), labels: { task: "summarise" } });
    const plain = await stage.complete(ask("small"));
    const event = await stage.eventOf(answer.responseId);
    expect([event.ruleId, event.requestedModel, event.attempts[0]?.targetId]).toEqual([
      "summaries-are-cheap",
      "small",
      "claude/sim-small",
    ]);
    expect((await stage.eventOf(plain.responseId)).ruleId).toBe("");
  });
});

describe("a key that its provider refuses", () => {
  it("gives way to the next one within the call, and is told in the log and the metrics, without the key", async () => {
    const answer = await stage.complete(ask("keys"));
    expect(textOf(answer.message?.parts).split(" ")).toHaveLength(7);
    expect(answer.attempts.map(({ outcome }) => outcome)).toEqual([AttemptOutcome.FAILED, AttemptOutcome.SERVED]);
    const told = await eventually(() => stage.gateway.lines.find((line) => line.includes("a provider refused a key")));
    expect(JSON.parse(told)).toMatchObject({ provider: "ring", keyIndex: 0 });
    expect(told).not.toContain("sk-sim-key-refused");
    expect(await stage.metric('llmgateway_provider_keys_refused_total{provider="ring"}')).toBe(1);
  });
});
