// Routes that are made while the gateway runs, over a real process.
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminRoutes, InferenceService, ModelService, Outcome, Role, UsageService } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor, platformSecret } from "../admin-keys.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";

const { putRoute, getRoute, listRoutes, deleteRoute, listTargetStates } = adminRoutes.RouteService.method;
const complete = InferenceService.method.complete;
const asPlatform = { secret: platformSecret };

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

beforeAll(async () => {
  simulator = await startSimulator();
  gateway = await startGateway({ yaml: yaml(), keys: keysFor() });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
});

function yaml(): string {
  return `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - { id: small, targets: [{ provider: sim, model: sim-small }] }
usage: { journal: { durability: os } }
`;
}

function ask(model: string) {
  const content = { case: "text" as const, value: { text: "Hi." } };
  return { model, messages: [{ role: Role.USER, parts: [{ content }] }] };
}

function routeTo(routeId: string, providerModel: string, rest: object = {}) {
  return { routeId, targets: [{ targetId: `sim/${providerModel}`, provider: "sim", providerModel }], ...rest };
}

describe("a route", () => {
  it("serves from the next call on, is listed as a model, and is gone when it is deleted", async () => {
    expect((await failureOf(client.unary(complete, ask("fresh")))).reason).toBe("MODEL_NOT_FOUND");
    const put = await client.unary(putRoute, { route: routeTo("fresh", "sim-small") }, asPlatform);
    await client.unary(complete, ask("fresh"));
    const { models } = await client.unary(ModelService.method.listModels, {});
    expect(models.map(({ modelId }) => modelId)).toEqual(["fresh", "small"]);
    const read = await client.unary(getRoute, { routeId: "fresh" }, asPlatform);
    expect(read.route).toEqual(put.route);
    await client.unary(deleteRoute, { routeId: "fresh" }, asPlatform);
    expect((await failureOf(client.unary(complete, ask("fresh")))).reason).toBe("MODEL_NOT_FOUND");
  });

  it("is replaced for whoever has read the version before", async () => {
    const first = await client.unary(putRoute, { route: routeTo("versioned", "sim-small") }, asPlatform);
    const etag = first.route?.etag ?? "";
    const failing = routeTo("versioned", "sim-fail-500", { etag, retryPolicy: { maxAttempts: 1 } });
    await client.unary(putRoute, { route: failing }, asPlatform);
    expect(await failureOf(client.unary(complete, ask("versioned")))).toMatchObject({ code: grpcStatus.UNAVAILABLE });
    const late = client.unary(putRoute, { route: routeTo("versioned", "sim-small", { etag }) }, asPlatform);
    expect(await failureOf(late)).toEqual({ code: grpcStatus.ABORTED, reason: "CONFLICT" });
  });

  it("falls back to another, which then cannot be deleted, and never in a circle", async () => {
    const failing = routeTo("falls-back", "sim-fail-500", { fallbackRouteIds: ["small", "extra"] });
    expect((await failureOf(client.unary(putRoute, { route: failing }, asPlatform))).reason).toBe("INVALID_REQUEST");
    await client.unary(putRoute, { route: routeTo("extra", "sim-small") }, asPlatform);
    await client.unary(putRoute, { route: failing }, asPlatform);
    const answer = await client.unary(complete, ask("falls-back"));
    expect(answer.attempts.length).toBeGreaterThan(1);
    const early = client.unary(deleteRoute, { routeId: "extra" }, asPlatform);
    expect((await failureOf(early)).reason).toBe("INVALID_REQUEST");
    const circle = routeTo("extra", "sim-small", { fallbackRouteIds: ["falls-back"] });
    expect((await failureOf(client.unary(putRoute, { route: circle }, asPlatform))).reason).toBe("INVALID_REQUEST");
  });

  it("that is only to be checked changes nothing", async () => {
    await client.unary(putRoute, { route: routeTo("checked", "sim-small"), validateOnly: true }, asPlatform);
    expect((await failureOf(client.unary(getRoute, { routeId: "checked" }, asPlatform))).reason).toBe(
      "RESOURCE_NOT_FOUND",
    );
  });

  it.each([
    [
      "an account that is not configured",
      { targets: [{ targetId: "x", provider: "nobody", providerModel: "x" }] },
      "INVALID_REQUEST",
    ],
    [
      "no target that is on",
      { targets: [{ targetId: "x", provider: "sim", providerModel: "x", disabled: true }] },
      "INVALID_REQUEST",
    ],
    [
      "a base address of its own",
      { targets: [{ targetId: "x", provider: "sim", providerModel: "x", baseUrl: "http://x" }] },
      "FEATURE_DISABLED",
    ],
    ["the name of a model of the configuration", { routeId: "small" }, "CONFLICT"],
  ])("with %s is refused", async (_, change, reason) => {
    const route = { ...routeTo("refused", "sim-small"), ...change };
    expect((await failureOf(client.unary(putRoute, { route }, asPlatform))).reason).toBe(reason);
  });

  it("is there after a restart", async () => {
    const own = await startGateway({ yaml: yaml(), keys: keysFor() });
    const before = new TestClient(own.port);
    await before.unary(putRoute, { route: routeTo("lasting", "sim-small") }, asPlatform);
    before.close();
    own.kill("SIGKILL");
    await own.exited;
    const next = await startGateway({ yaml: yaml(), keys: keysFor(), folder: own.folder });
    const after = new TestClient(next.port);
    await after.unary(complete, ask("lasting"));
    after.close();
  });
});

describe("a call to a stored route that a crash has cut", () => {
  it("is billed at the price of its target", async () => {
    const own = await startGateway({ yaml: yaml(), keys: keysFor() });
    const before = new TestClient(own.port);
    await before.unary(putRoute, { route: routeTo("long", "sim-tokens-200+pace-20ms") }, asPlatform);
    const stream = before.stream(InferenceService.method.streamComplete, {
      start: { case: "request", value: ask("long") },
    });
    stream.on("error", () => {});
    await new Promise((resolve) => stream.once("data", resolve));
    own.kill("SIGKILL");
    await own.exited;
    before.close();
    const next = await startGateway({ yaml: yaml(), keys: keysFor(), folder: own.folder });
    const after = new TestClient(next.port);
    const { events } = await after.unary(UsageService.method.listUsageEvents, {});
    expect(events.map(({ outcome }) => outcome)).toEqual([Outcome.LOST]);
    expect(events[0]?.cost?.totalNanoUsd).toBeGreaterThan(0n);
    after.close();
  });
});

describe("the routes of a gateway", () => {
  it("are the business of the platform alone", async () => {
    const refused = { code: grpcStatus.PERMISSION_DENIED, reason: "PERMISSION_DENIED" };
    expect(await failureOf(client.unary(listRoutes, {}, { secret: adminSecret }))).toEqual(refused);
    expect(await failureOf(client.unary(listTargetStates, {}, { secret: adminSecret }))).toEqual(refused);
  });

  it("are listed with the models of the configuration, in pages", async () => {
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await client.unary(listRoutes, { pageSize: 1, pageToken }, asPlatform);
      seen.push(...page.routes.map(({ routeId }) => routeId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual(seen.toSorted());
    expect(seen).toContain("small");
  });

  it("keep what is known of their targets when others change", async () => {
    await client.unary(putRoute, { route: routeTo("known", "sim-fail-503") }, asPlatform);
    for (let index = 0; index < 3; index++) await failureOf(client.unary(complete, ask("known")));
    const stateOf = async () => {
      const { states } = await client.unary(listTargetStates, { routeId: "known" }, asPlatform);
      return states[0] ?? expect.fail("no state");
    };
    const before = await stateOf();
    expect(before.failureRatio).toBeGreaterThan(0);
    await client.unary(putRoute, { route: routeTo("another", "sim-small") }, asPlatform);
    expect((await stateOf()).failureRatio).toBeGreaterThan(0);
  });
});
