// Three instances, one budget, a real nats-server that is killed in between: not a nano-dollar too much.
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNats } from "../../test/nats-server.ts";
import type { BudgetConfig } from "../config/config.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Caller } from "../domain/principal.ts";
import type { AdmissionRequest } from "../pipeline/ports.ts";
import { createClusteredLeaseStore } from "../state/clustered-lease-store.ts";
import { type AdmissionControl, createAdmission } from "./admission.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");

const caller: Caller = {
  organisationId: "acme",
  teamId: "platform",
  projectId: "search",
  keyId: "k",
  service: "",
  roles: ["inference"],
  models: ["*"],
};

let server: NatsServer;
const connections: NatsConnection[] = [];

beforeAll(async () => {
  server = await startNats();
});

afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await server.stop();
});

async function startInstance(
  budgetId: string,
  limit: number,
  rest: Partial<BudgetConfig> = { hardNanoUsd: BigInt(limit) },
): Promise<AdmissionControl> {
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
  connections.push(connection);
  return createAdmission({
    limits: [],
    budgets: [{ id: budgetId, scope: "team/platform", period: "month", alertAt: [], ...rest }],
    store: createClusteredLeaseStore({ connect: () => Promise.resolve(connection), exchangeMsMax: 1_000 }),
    shared: true,
  });
}

function requestFor(worst: number): AdmissionRequest {
  const worstCostNanoUsd = BigInt(worst);
  return {
    caller,
    endUserId: "",
    model: "m",
    inputTokens: 1,
    maxOutputTokens: 1,
    worstCostNanoUsd: () => worstCostNanoUsd,
    deadlineMs: undefined,
    priority: 1,
  };
}

/** So many callers, spread over the instances; gives what all their calls cost. */
async function spendAll(instances: readonly AdmissionControl[], callers: number): Promise<number> {
  const spent = instances.flatMap((instance, index) =>
    Array.from({ length: callers / instances.length }, (_, seed) => spend(instance, seed * 7 + index)),
  );
  return (await Promise.all(spent)).reduce((sum, one) => sum + one, 0);
}

/** One caller who goes on until the budget is spent; gives what its calls cost. */
async function spend(instance: AdmissionControl, seed: number): Promise<number> {
  let spent = 0;
  for (let call = 0; ; call++) {
    const worst = 20 + ((seed * 31 + call * 17) % 100);
    try {
      const reservation = await instance.admit(requestFor(worst), nowMs);
      const actual = Math.floor(worst * 0.7);
      await new Promise((resolve) => setImmediate(resolve));
      reservation.settle({ inputTokens: 1, outputTokens: 1, costNanoUsd: BigInt(actual) }, nowMs);
      spent += actual;
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      // The state is away for a moment: come again, as RetryInfo asks. Otherwise the budget is spent.
      if (error.facts.retryAfterMs === undefined) return spent;
    }
  }
}

describe("a budget over three instances", () => {
  it("that is past its soft limit sends calls elsewhere also at an instance that has spent nothing", async () => {
    const soft = { softNanoUsd: 100n, fallbackModel: "cheap" };
    const [busy, idle] = await Promise.all([1, 2].map(() => startInstance("soft", 0, soft)));
    const called = { model: "dear", endUserId: "" };
    const reservation = await busy?.admit(requestFor(200), nowMs);
    await idle?.report(nowMs);
    expect(idle?.fallback?.(caller, called, nowMs)).toBeUndefined();
    reservation?.settle({ inputTokens: 1, outputTokens: 1, costNanoUsd: 100n }, nowMs);
    const elsewhere = { budgetId: "soft", model: "cheap" };
    expect(busy?.fallback?.(caller, called, nowMs)).toEqual(elsewhere);
    expect(busy?.fallback?.(caller, { ...called, model: "cheap" }, nowMs)).toBeUndefined();
    await busy?.report(nowMs);
    await idle?.report(nowMs);
    expect(idle?.fallback?.(caller, called, nowMs)).toEqual(elsewhere);
  });

  it("is spent by three hundred callers to the last few calls, and never passed", async () => {
    const limit = 60_000;
    const instances = await Promise.all([1, 2, 3].map(() => startInstance("calm", limit)));
    const total = await spendAll(instances, 300);
    expect(total).toBeLessThanOrEqual(limit);
    expect(total).toBeGreaterThanOrEqual(limit * 0.98);
  });

  it("is not passed when nats-server is killed and comes back, and an instance dies", async () => {
    const limit = 1_500_000;
    const instances = await Promise.all([1, 2, 3].map(() => startInstance("stormy", limit)));
    const spending = spendAll(instances, 60);
    const last = await startInstance("stormy", limit); // Takes a lease and is never heard of again.
    await last.admit(requestFor(50), nowMs);
    await server.kill();
    await server.restart();
    const total = await spending;
    expect(total).toBeLessThanOrEqual(limit);
    expect(total).toBeGreaterThan(limit / 2);
  });
});
