// Four workers without NATS share one budget and one token limit while many callers spend as fast as they can and workers
// are killed. What the provider served is the truth that the limit is held against.
import { hash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InferenceService, Role, UsageService } from "../../src/contract.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";
import { type CountingProvider, costOfCall, startProvider, usageOfCall } from "./counting-provider.ts";

const calls = 6_000;
const connections = 12;
const callersOfEach = 20;
/** The rest was leased by the two that are killed, and counts as spent: how much that is depends on the instant. */
const servedShareMin = 0.95;
/** After so many refusals in a row, a caller believes that nothing is left. */
const refusalsMax = 4;

let provider: CountingProvider;
let gateway: GatewayProcess;

beforeAll(async () => {
  provider = await startProvider();
  const key = (id: string) =>
    `  - { id: ${id}, project: ${id}, digest: "sha256:${hash("sha256", id, "hex")}", roles: [inference, usage], models: ["*"] }`;
  gateway = await startGateway({
    yaml: `
providers: [{ id: provider, kind: openai-compatible, base_url: "http://127.0.0.1:${provider.port}", credentials: none }]
models: [{ id: fixed, targets: [{ provider: provider, model: sim-fixed }] }]
budgets: [{ id: shared, scope: project/budget, period: total, hard_usd: ${((calls * costOfCall) / 1e9).toFixed(9)} }]
limits: [{ scope: project/limit, tokens_per_day: ${calls * usageOfCall.total_tokens} }]
usage: { journal: { durability: os } }
`,
    keys: `keys:\n${key("budget")}\n${key("limit")}`,
    projects: ["budget", "limit"],
    args: ["--workers", "4"],
  });
});

afterAll(async () => {
  await stopGateways();
  await provider?.close();
});

function pids(): readonly number[] {
  const newest = new Map<number, number>();
  for (const line of gateway.lines.filter((one) => one.includes('"a worker serves"'))) {
    const { worker, pid } = JSON.parse(line);
    newest.set(worker, pid);
  }
  return [...newest.values()];
}

async function callUntilRefused(client: TestClient, secret: string, answers: Set<string>): Promise<void> {
  const content = { case: "text" as const, value: { text: "hello" } };
  const request = {
    model: "fixed",
    messages: [{ role: Role.USER, parts: [{ content }] }],
    sampling: { maxOutputTokens: usageOfCall.completion_tokens },
  };
  for (let refusals = 0; refusals < refusalsMax; ) {
    try {
      answers.add((await client.unary(InferenceService.method.complete, request, { secret })).responseId);
      refusals = 0;
    } catch (error) {
      if (isRefusal(error as ServiceError)) refusals += 1;
      await wait(40);
    }
  }
}

/** Anything else comes from a worker that has just died. */
function isRefusal(error: ServiceError): boolean {
  if (error.metadata?.get("grpc-status-details-bin").length !== 1) return false;
  return ["BUDGET_EXHAUSTED", "RATE_LIMITED"].includes(detailsOf(error).info?.reason ?? "");
}

async function billedIds(client: TestClient, secret: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (let pageToken = ""; ; ) {
    const request = { pageSize: 1000, pageToken };
    const page = await client.unary(UsageService.method.listUsageEvents, request, { secret });
    for (const event of page.events) ids.add(event.responseId);
    pageToken = page.nextPageToken;
    if (pageToken === "") return ids;
  }
}

describe("four workers without NATS", () => {
  it.each(["budget", "limit"])(
    "spend a %s whole and not a unit more, though two of them are killed",
    async (secret) => {
      const before = provider.served;
      const share = () => (provider.served - before) / calls;
      const clients = Array.from({ length: connections }, () => new TestClient(gateway.port, { ownConnection: true }));
      const answers = new Set<string>();
      const spending = Promise.all(
        clients.flatMap((client) =>
          Array.from({ length: callersOfEach }, () => callUntilRefused(client, secret, answers)),
        ),
      );
      for (const at of [0.2, 0.5]) {
        while (share() < at) await wait(5);
        const alive = pids();
        process.kill(alive[Math.floor(at * alive.length)] ?? expect.fail("no worker"), "SIGKILL");
      }
      await spending;
      const served = provider.served - before;
      expect(served).toBeLessThanOrEqual(calls);
      expect(served).toBeGreaterThanOrEqual(calls * servedShareMin);
      const [asked] = clients;
      const billed = asked === undefined ? new Set() : await billedIds(asked, secret);
      expect([...answers].filter((id) => !billed.has(id))).toEqual([]);
      for (const client of clients) client.close();
    },
    90_000,
  );
});
