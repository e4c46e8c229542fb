// A budget under streams whose length nobody knows before: they go on while it pays, and end typed when it does not.
import { hash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttemptOutcome, InferenceService, Outcome, RecoveryMode, type UsageEvent } from "../../src/contract.ts";
import { collect } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";
import { ask, eventually, responseIdOf, Stage, saidIn } from "./stage.ts";

/** Nano-USD of one output token; input is free. */
const tokenNanoUsd = 1_000n;
/** What is reserved for a call when nobody limits its output. */
const reservedTokens = 4_096n;
const budgetTokens = { rich: 100_000n, poor: 16_000n, continued: 7_000n, crowd: 60_000n } as const;

let stage: Stage;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "prices-"));
  const overrides = join(folder, "prices.yaml");
  const priced = [
    "provider: sim, model: novel",
    "provider: sim, model: novel-cut",
    "provider: mistral, model: novel-after",
  ];
  writeFileSync(overrides, priced.map((which) => `- { ${which}, input: 0, output: 1000000000 }\n`).join(""));
  const names = Object.keys(budgetTokens) as (keyof typeof budgetTokens)[];
  const digestOf = (name: string): string => `sha256:${hash("sha256", name, "hex")}`;
  stage = await Stage.open({
    models: { novel: ["sim/novel"], "cut-then-goes-on": ["sim/novel-cut", "mistral/novel-after"] },
    keys: `keys:\n${names
      .map((name) => `  - { id: ${name}, project: search, digest: "${digestOf(name)}", roles: [inference, usage] }\n`)
      .join("")}`,
    yaml: `
prices: { overrides: ${overrides} }
usage: { journal: { durability: os } }
budgets:
${names.map((name) => `  - { id: of-${name}, scope: key/${name}, period: total, hard_usd: ${toUsd(budgetTokens[name])} }\n`).join("")}`,
  });
});

afterAll(async () => {
  await stage?.close();
  rmSync(folder, { recursive: true, force: true });
});

const toUsd = (tokens: bigint): string => (Number(tokens * tokenNanoUsd) / 1e9).toFixed(9);
const words = (count: number, then = "") => ask("novel", `[sim:tokens-${count}${then}]`);

/** What the budget of a key says of itself. */
async function quotaOf(secret: string) {
  const { quotas } = await stage.client.unary(InferenceService.method.explain, { request: ask("novel") }, { secret });
  return quotas[0] ?? expect.fail("no budget");
}

function eventOf(responseId: string, secret: string): Promise<UsageEvent> {
  return eventually(async () => (await stage.events({ secret })).find((event) => event.responseId === responseId));
}

describe("a stream that runs past its reservation", () => {
  it("goes on while the budget pays, and is settled at what it cost", async () => {
    const { messages, error } = await collect(stage.stream(words(12_000), {}, { secret: "rich" }));
    expect(error).toBeUndefined();
    expect(saidIn(messages).split(" ")).toHaveLength(12_000);
    const event = await eventOf(responseIdOf(messages), "rich");
    expect(event.reservedNanoUsd).toBe(reservedTokens * tokenNanoUsd);
    expect(event.cost?.totalNanoUsd).toBe(12_000n * tokenNanoUsd);
    expect(await quotaOf("rich")).toMatchObject({ spent: event.cost?.totalNanoUsd, reserved: 0n });
  });

  it("ends with BUDGET_EXHAUSTED when the budget has no more: the provider is let go, what came is billed", async () => {
    const { messages, error } = await collect(
      stage.stream(words(20_000, "+stall-after-15000"), {}, { secret: "poor" }),
    );
    expect(error?.code).toBe(grpcStatus.RESOURCE_EXHAUSTED);
    const details = detailsOf(error as ServiceError);
    expect(details.info?.reason).toBe("BUDGET_EXHAUSTED");
    expect(details.info?.metadata).toMatchObject({ budgetId: "of-poor" });
    expect(details.retry).toBeUndefined();
    expect(saidIn(messages)).not.toBe("");
    const last = messages.at(-1);
    expect(details.stream).toMatchObject({ responseId: responseIdOf(messages), lastSequence: last?.sequence });

    const event = await eventOf(responseIdOf(messages), "poor");
    expect(event.outcome).toBe(Outcome.INTERRUPTED);
    expect(event.cost?.totalNanoUsd).toBe(details.stream?.cost?.totalNanoUsd);
    // More than was reserved at first: it had asked for more, and got it, before there was no more.
    expect(event.cost?.totalNanoUsd).toBeGreaterThan(reservedTokens * tokenNanoUsd);
    expect(event.cost?.totalNanoUsd).toBeLessThanOrEqual(budgetTokens.poor * tokenNanoUsd);
    expect(await quotaOf("poor")).toMatchObject({ spent: event.cost?.totalNanoUsd, reserved: 0n });
    const asked = stage.simulator.requests.find((one) => one.body.includes("tokens-20000"));
    expect(await asked?.closed).toBe("closed-early");
  });

  it("and was to go on elsewhere is not begun there when both together would cost too much", async () => {
    const request = ask("cut-then-goes-on", "[sim:tokens-4000+cut-after-3000]");
    const { messages, error } = await collect(
      stage.stream(request, { recovery: RecoveryMode.CONTINUE }, { secret: "continued" }),
    );
    expect(detailsOf(error as ServiceError).info?.reason).toBe("BUDGET_EXHAUSTED");
    expect(saidIn(messages)).not.toBe("");
    const event = await eventOf(responseIdOf(messages), "continued");
    expect(event.attempts.map(({ outcome }) => outcome)).toEqual([AttemptOutcome.CONTINUED]);
    expect(await quotaOf("continued")).toMatchObject({ spent: event.cost?.totalNanoUsd, reserved: 0n });
  });
});

describe("many such streams at once", () => {
  it("never cost more than the budget has, and leave nothing reserved", async () => {
    const runs = Array.from({ length: 12 }, () => collect(stage.stream(words(9_000), {}, { secret: "crowd" })));
    const reasons = (await Promise.all(runs)).map(({ error }) =>
      error === undefined ? "OK" : detailsOf(error as ServiceError).info?.reason,
    );
    expect(new Set(reasons)).toContain("BUDGET_EXHAUSTED");
    const { spent, reserved, limit } = await quotaOf("crowd");
    expect(reserved).toBe(0n);
    expect(spent).toBeGreaterThan(0n);
    expect(spent).toBeLessThanOrEqual(limit ?? 0n);
  });
});
