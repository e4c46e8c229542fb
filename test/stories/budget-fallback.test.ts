// A budget that sends calls to a cheaper model once it is past its limit: where they go, who may cause it, and where it is
// said.
import { hash } from "node:crypto";
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminBudgets, adminKeys, InferenceService, type Warning, WarningKind } from "../../src/contract.ts";
import { failureOf } from "../failure-of.ts";
import { collect } from "../grpc-client.ts";
import { ask, eventually, Stage } from "./stage.ts";

const { createBudget, updateBudget, getBudget } = adminBudgets.BudgetService.method;
const { createKey } = adminKeys.KeyService.method;
const { BudgetAction } = adminBudgets;

const secrets = ["spender", "restarted", "admin"] as const;
const asAdmin = { secret: "admin" };

let stage: Stage;

beforeAll(async () => {
  const digestOf = (name: string): string => `sha256:${hash("sha256", name, "hex")}`;
  const key = (name: string, rest: string): string =>
    `  - { id: ${name}, project: search, digest: "${digestOf(name)}", ${rest} }\n`;
  stage = await Stage.open({
    models: {
      dear: ["sim/sim-small"],
      cheap: ["claude/sim-tokens-3"],
      forbidden: ["sim/sim-small"],
      embedder: ["sim/sim-embed"],
    },
    // The spender may name one model, and not the one that its budget sends it to.
    keys: `keys:
${key("spender", 'roles: [inference, usage], models: ["dear", "embedder"]')}${key("restarted", "roles: [inference, usage]")}${key("admin", "roles: [inference, usage, admin]")}`,
    yaml: `
rules: [{ id: by-label, when: "'to' in labels && labels['to'] == 'forbidden'", model: forbidden }]
budgets:
${secrets.map((name) => `  - { id: of-${name}, scope: key/${name}, period: month, soft_usd: 0.000000001, fallback_model: cheap }\n`).join("")}
usage: { journal: { durability: os } }
`,
  });
});

afterAll(() => stage?.close());

const goesTo = (warnings: readonly Warning[]) => warnings.find(({ kind }) => kind === WarningKind.MODEL_FALLBACK);
const explain = (secret: string) =>
  stage.client.unary(InferenceService.method.explain, { request: ask("dear") }, { secret });

function eventOf(responseId: string, secret: string) {
  return eventually(async () => (await stage.events({ secret })).find((event) => event.responseId === responseId));
}

describe("a budget with a fallback model", () => {
  const asSpender = { secret: "spender" };

  it("leaves calls where they are until it is past its limit", async () => {
    expect(await explain("spender")).toMatchObject({ modelId: "dear", fallbackBudgetId: "" });
    const first = await stage.complete(ask("dear"), asSpender);
    expect(goesTo(first.warnings)).toBeUndefined();
    expect((await eventOf(first.responseId, "spender")).fallbackBudgetId).toBe("");
  });

  it("then sends them to that model, and says so in the answer, in the event and to who asks before", async () => {
    expect(await explain("spender")).toMatchObject({ modelId: "cheap", fallbackBudgetId: "of-spender" });
    const second = await stage.complete(ask("dear"), asSpender);
    expect(goesTo(second.warnings)?.message).toContain("of-spender");
    const event = await eventOf(second.responseId, "spender");
    expect(event).toMatchObject({ requestedModel: "dear", provider: "anthropic", fallbackBudgetId: "of-spender" });
    expect(event.attempts.map(({ targetId }) => targetId)).toEqual(["claude/sim-tokens-3"]);
    const { messages } = await collect(stage.stream(ask("dear"), {}, asSpender));
    const last = messages.at(-1)?.event;
    expect(goesTo(last?.case === "completed" ? (last.value.response?.warnings ?? []) : [])).toBeDefined();
  });

  it("gives nobody the right to name what the key may not name", async () => {
    for (const model of ["cheap", "forbidden"]) {
      const refused = await failureOf(stage.complete(ask(model), asSpender));
      expect(refused).toEqual({ code: grpcStatus.PERMISSION_DENIED, reason: "MODEL_NOT_ALLOWED" });
    }
  });

  it("chooses before rules and before fallbacks of the caller, which hear of it", async () => {
    const asked = { ...ask("dear"), labels: { to: "forbidden" }, routing: { fallbackModels: ["dear"] } };
    const answer = await stage.complete(asked, asSpender);
    expect(answer.attempts.map(({ targetId }) => targetId)).toEqual(["claude/sim-tokens-3"]);
    const dropped = answer.warnings.filter(({ kind }) => kind === WarningKind.PARAMETER_DROPPED);
    expect(dropped.map(({ field }) => field)).toEqual(["routing.fallback_models"]);
  });

  it("refuses what that model cannot do rather than pay for the dear one", async () => {
    const embedded = stage.client.unary(
      InferenceService.method.embed,
      { model: "embedder", inputs: [{ parts: [{ content: { case: "text" as const, value: { text: "a" } } }] }] },
      asSpender,
    );
    expect(await failureOf(embedded)).toMatchObject({ reason: "CAPABILITY_UNSUPPORTED" });
  });

  it("knows after a restart what was spent before, from the first call on", async () => {
    await stage.complete(ask("dear"), { secret: "restarted" });
    await eventually(async () => ((await explain("restarted")).fallbackBudgetId === "" ? undefined : true));
    stage.gateway.kill("SIGKILL");
    await stage.gateway.exited;
    await stage.restart();
    const answer = await stage.complete(ask("dear"), { secret: "restarted" });
    expect(goesTo(answer.warnings)).toBeDefined();
  });
});

describe("a budget that is made while the gateway runs", () => {
  it("sends the calls of its keys to another model, and stops doing so when it is raised", async () => {
    const wanted = { limitNanoUsd: 1n, action: BudgetAction.DOWNGRADE, fallbackModel: "cheap" };
    const { budget } = await stage.client.unary(createBudget, { budget: wanted }, asAdmin);
    const budgetId = budget?.budgetId ?? "";
    const { secret } = await stage.client.unary(createKey, { key: { budgetIds: [budgetId] } }, asAdmin);
    expect(goesTo((await stage.complete(ask("dear"), { secret })).warnings)).toBeUndefined();
    expect(goesTo((await stage.complete(ask("dear"), { secret })).warnings)?.message).toContain(budgetId);
    const shown = await stage.client.unary(getBudget, { budgetId }, asAdmin);
    expect(shown.budget).toMatchObject({ action: BudgetAction.DOWNGRADE, fallbackModel: "cheap" });
    const raised = { budgetId, limitNanoUsd: 1_000_000_000n };
    await stage.client.unary(updateBudget, { budget: raised, updateMask: { paths: ["limit_nano_usd"] } }, asAdmin);
    expect(goesTo((await stage.complete(ask("dear"), { secret })).warnings)).toBeUndefined();
  });

  it.each([
    ["without a model", { action: BudgetAction.DOWNGRADE }],
    ["with one that does not exist", { action: BudgetAction.DOWNGRADE, fallbackModel: "nothing" }],
    ["with one that it would never use", { action: BudgetAction.REJECT, fallbackModel: "cheap" }],
  ])("is refused %s", async (_, budget) => {
    const refused = await failureOf(
      stage.client.unary(createBudget, { budget: { limitNanoUsd: 1n, ...budget } }, asAdmin),
    );
    expect(refused).toMatchObject({ reason: "INVALID_REQUEST" });
  });
});
