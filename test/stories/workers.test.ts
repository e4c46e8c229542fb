// A gateway of several processes on one port, as its callers and its operator see it: one gateway.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  adminKeys,
  InferenceService,
  Outcome,
  UsageDimension,
  type UsageEvent,
  UsageService,
} from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor, platformSecret } from "../admin-keys.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { ask, eventually, waitForEvent } from "./stage.ts";

/** Several processes are started in each. */
const patienceMs = 120_000;
vi.setConfig({ testTimeout: patienceMs, hookTimeout: patienceMs });

const { complete, streamComplete } = InferenceService.method;
const { queryUsage, listUsageEvents, watchUsageEvents, correctUsage } = UsageService.method;
const { createKey, deleteKey } = adminKeys.KeyService.method;
const asAdmin = { secret: adminSecret };

let simulator: Simulator;
const clients: TestClient[] = [];

beforeAll(async () => {
  simulator = await startSimulator();
});

afterAll(async () => {
  for (const client of clients) client.close();
  await stopGateways();
  await simulator?.close();
});

const yaml = (more = "") => `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - { id: small, targets: [{ provider: sim, model: sim-small }] }
  - { id: slow, targets: [{ provider: sim, model: "sim-tokens-400+pace-20ms" }] }
usage: { journal: { durability: os } }
${more}`;

function start(options: { more?: string; folder?: string; workers?: number } = {}): Promise<GatewayProcess> {
  const { more, folder, workers = 2 } = options;
  const keys = keysFor().replaceAll("[admin", "[inference, usage, admin");
  return startGateway({ yaml: yaml(more), keys, folder, args: ["--workers", String(workers)] });
}

function connect(gateway: GatewayProcess): TestClient {
  const client = new TestClient(gateway.port, { ownConnection: true });
  clients.push(client);
  return client;
}

/** One connection to each of two workers, by the number of the worker. */
async function connectToEach(gateway: GatewayProcess): Promise<ReadonlyMap<number, TestClient>> {
  const found = new Map<number, TestClient>();
  for (let tries = 0; found.size < 2 && tries < 10; tries += 1) {
    const client = connect(gateway);
    const { responseId } = await client.unary(complete, ask("small"));
    found.set(workerOf(await eventOf(client, responseId)), client);
  }
  return found;
}

function clientOf(byWorker: ReadonlyMap<number, TestClient>, worker: number): TestClient {
  return byWorker.get(worker) ?? expect.fail(`no connection to worker ${worker}`);
}

async function allEvents(client: TestClient, pageSize = 1000): Promise<readonly UsageEvent[]> {
  const events: UsageEvent[] = [];
  for (let pageToken = ""; ; ) {
    const page = await client.unary(listUsageEvents, { pageSize, pageToken });
    events.push(...page.events);
    pageToken = page.nextPageToken;
    if (pageToken === "") return events;
  }
}

function eventOf(client: TestClient, responseId: string): Promise<UsageEvent> {
  return eventually(async () => (await allEvents(client)).find((event) => event.responseId === responseId));
}

function workerOf({ gatewayInstance }: UsageEvent): number {
  return Number(gatewayInstance.slice(gatewayInstance.lastIndexOf("-") + 1));
}

/** Process id of the newest life of a worker that serves, from the log. */
function pidOf(gateway: GatewayProcess, worker: number): number {
  const lines = gateway.lines.filter((line) => line.includes('"a worker serves"')).map((line) => JSON.parse(line));
  return lines.findLast((line) => line.worker === worker)?.pid ?? expect.fail("the worker does not serve");
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function metric(gateway: GatewayProcess, sample: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${sample} `));
  return line === undefined ? Number.NaN : Number(line.slice(sample.length));
}

async function readiness(gateway: GatewayProcess): Promise<number> {
  return (await fetch(`http://127.0.0.1:${gateway.port}/readyz`)).status;
}

describe("a gateway of two workers", () => {
  let gateway: GatewayProcess;
  let byWorker: ReadonlyMap<number, TestClient>;

  beforeAll(async () => {
    gateway = await start();
    byWorker = await connectToEach(gateway);
    for (const client of byWorker.values()) {
      for (let call = 0; call < 6; call += 1) await client.unary(complete, ask("small"));
    }
  });

  it("gives its connections to both, and numbers the events of each without a gap", async () => {
    const events = await allEvents(clientOf(byWorker, 1));
    for (const worker of [1, 2]) {
      const own = events.filter((event) => workerOf(event) === worker).map((event) => Number(event.instanceSequence));
      expect(own.sort((a, b) => a - b)).toEqual(own.map((_, index) => index + 1));
      expect(own.length).toBeGreaterThanOrEqual(7);
    }
  });

  it("answers for all calls, whichever worker is asked, page by page", async () => {
    const ids = (await allEvents(clientOf(byWorker, 1))).map(({ eventId }) => eventId);
    for (const client of byWorker.values()) {
      const paged = (await allEvents(client, 3)).map(({ eventId }) => eventId);
      expect(paged).toEqual(ids);
      const sums = await client.unary(queryUsage, { filter: {}, groupBy: [UsageDimension.MODEL] });
      expect(sums.rows.map(({ requestCount }) => requestCount)).toEqual([BigInt(ids.length)]);
    }
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("shows one page of metrics: what counts is added up, what is of one process has its label", async () => {
    const calls = (await allEvents(clientOf(byWorker, 1))).length;
    const sample = 'llmgateway_calls_total{method="Complete",outcome="succeeded",error_type=""}';
    expect(await metric(gateway, sample)).toBe(calls);
    expect(await metric(gateway, "llmgateway_workers_ready")).toBe(2);
    for (const name of ["1", "2", "primary"]) {
      expect(await metric(gateway, `process_resident_memory_bytes{worker="${name}"}`)).toBeGreaterThan(1e6);
    }
  });

  it("tells a watcher of the calls of both, and goes on after a cursor without a hole or a double", async () => {
    const [first, second] = [clientOf(byWorker, 1), clientOf(byWorker, 2)];
    const watch = first.stream(watchUsageEvents, {});
    const seen: string[] = [];
    let cursor = "";
    let isOpen: (() => void) | undefined;
    const opened = new Promise<void>((resolve) => {
      isOpen = resolve;
    });
    watch.on("data", (message) => {
      if (message.event !== undefined) seen.push(message.event.responseId);
      if (seen.length <= 2) cursor = message.cursor;
      isOpen?.();
    });
    watch.on("error", () => undefined); // Cancelled below.
    await opened;
    const asked: string[] = [];
    for (const client of [first, second, first, second])
      asked.push((await client.unary(complete, ask("small"))).responseId);
    await eventually(() => (seen.length >= 4 ? true : undefined));
    expect([...seen].sort()).toEqual([...asked].sort());
    watch.cancel();
    const again = second.stream(watchUsageEvents, { cursor });
    const rest: string[] = [];
    again.on("data", (message) => void (message.event !== undefined && rest.push(message.event.responseId)));
    again.on("error", () => undefined);
    await eventually(() => (rest.length >= 2 ? true : undefined));
    again.cancel();
    expect([...seen.slice(0, 2), ...rest].sort()).toEqual([...asked].sort());
    expect(await failureOf(second.unary(listUsageEvents, { pageToken: "w" }))).toMatchObject({
      reason: "INVALID_REQUEST",
    });
    const wrong = await collect(second.stream(watchUsageEvents, { cursor: "w1:%" }));
    expect(wrong.error?.code).toBe(grpcStatus.INVALID_ARGUMENT);
  });

  it("corrects an event wherever it stands, and refuses where it was corrected, whichever worker is asked", async () => {
    const both = [clientOf(byWorker, 1), clientOf(byWorker, 2)];
    const asPlatform = { secret: platformSecret };
    const sumsOf = async (client: TestClient) => {
      const [row] = (await client.unary(queryUsage, { filter: {} })).rows;
      return { calls: Number(row?.requestCount), inputTokens: Number(row?.inputTokens) };
    };
    for (const [index, asked] of both.entries()) {
      const other = both[1 - index] ?? asked;
      const { responseId } = await other.unary(complete, ask("small"));
      const before = await eventOf(asked, responseId);
      const { calls, inputTokens } = await sumsOf(asked);
      const usage = { inputTokens: (before.usage?.inputTokens ?? 0) + 1_000 };
      const request = { eventId: before.eventId, reason: "dashboard", usage, requestId: "ticket" };
      const { event } = await asked.unary(correctUsage, request, asPlatform);
      expect(event).toMatchObject({ gatewayInstance: before.gatewayInstance, correctsEventId: before.eventId });
      expect(event?.instanceSequence).toBe(before.instanceSequence + 1n);
      for (const client of both) {
        expect((await client.unary(correctUsage, request, asPlatform)).event?.eventId).toBe(event?.eventId);
        const refused = failureOf(client.unary(correctUsage, { ...request, requestId: "another" }, asPlatform));
        expect(await refused).toEqual({ code: grpcStatus.ABORTED, reason: "CONFLICT" });
        expect(await sumsOf(client)).toEqual({ calls, inputTokens: inputTokens + 1_000 });
      }
      expect(await failureOf(asked.unary(correctUsage, { ...request, eventId: "none" }, asPlatform))).toEqual({
        code: grpcStatus.NOT_FOUND,
        reason: "RESOURCE_NOT_FOUND",
      });
    }
  });

  it("lets a revoked key open nothing from the moment that its revocation is answered, on any connection", async () => {
    const [first, second] = [clientOf(byWorker, 1), clientOf(byWorker, 2)];
    for (let round = 0; round < 5; round += 1) {
      const { key, secret } = await first.unary(createKey, { key: { displayName: "passing" } }, asAdmin);
      await second.unary(complete, ask("small"), { secret });
      await first.unary(deleteKey, { keyId: key?.keyId ?? "" }, asAdmin);
      const refused = { code: grpcStatus.UNAUTHENTICATED, reason: "CREDENTIALS_INVALID" };
      expect(await failureOf(second.unary(complete, ask("small"), { secret }))).toEqual(refused);
    }
  });
});

describe("a limit on calls in flight", () => {
  it("is one for all workers: one may use all of it, and a dead one holds nothing", async () => {
    const gateway = await start({ more: "limits: [{ scope: project/search, concurrency: 3 }]" });
    const byWorker = await connectToEach(gateway);
    const [first, second] = [clientOf(byWorker, 1), clientOf(byWorker, 2)];
    const limited = { code: grpcStatus.RESOURCE_EXHAUSTED, reason: "CONCURRENCY_LIMITED" };
    const open = async (client: TestClient) => {
      const stream = client.stream(streamComplete, { start: { case: "request", value: ask("slow") } });
      stream.on("error", () => undefined); // Cancelled, or cut by the kill.
      await waitForEvent(stream, "partDelta");
      return stream;
    };
    const streams = [await open(first), await open(first), await open(first)];
    expect(await failureOf(second.unary(complete, ask("small")))).toEqual(limited);
    expect(await failureOf(first.unary(complete, ask("small")))).toEqual(limited);
    streams.pop()?.cancel();
    const passed = await eventually(() => second.unary(complete, ask("small")).catch(() => undefined));
    expect(passed.responseId).not.toBe("");
    const third = await open(second);
    expect(await failureOf(first.unary(complete, ask("small")))).toEqual(limited);
    third.cancel();
    process.kill(pidOf(gateway, 1), "SIGKILL");
    const reopened = await eventually(() => open(second).catch(() => undefined));
    await eventually(() => open(second).catch(() => undefined));
    await eventually(() => open(second).catch(() => undefined));
    expect(await failureOf(second.unary(complete, ask("small")))).toEqual(limited);
    reopened.cancel();
  });
});

describe("a worker that is killed", () => {
  it("is started again, with its calls on record, while the calls of the other go on", async () => {
    const gateway = await start();
    const byWorker = await connectToEach(gateway);
    const [first, second] = [clientOf(byWorker, 1), clientOf(byWorker, 2)];
    const short = { ...ask("slow"), sampling: { maxOutputTokens: 150 } };
    const going = second.stream(streamComplete, { start: { case: "request", value: short } });
    const gone = collect(going);
    const cut = first.stream(streamComplete, { start: { case: "request", value: ask("slow") } });
    cut.on("error", () => undefined);
    const { event } = await waitForEvent(cut, "started");
    const cutId = event.case === "started" ? event.value.responseId : "";
    const counted = 'llmgateway_calls_total{method="Complete",outcome="succeeded",error_type=""}';
    const before = await metric(gateway, counted);
    const killed = pidOf(gateway, 1);
    process.kill(killed, "SIGKILL");
    await eventually(() => (gateway.lines.some((line) => line.includes('"a worker died')) ? true : undefined));
    await eventually(() => (pidOf(gateway, 1) === killed ? undefined : true));
    await eventually(async () => ((await readiness(gateway)) === 200 ? true : undefined));
    const { messages, error } = await gone;
    expect(error).toBeUndefined();
    expect(messages.at(-1)?.event.case).toBe("completed");
    expect(await eventOf(second, cutId)).toMatchObject({ outcome: Outcome.LOST });
    expect(await metric(gateway, "llmgateway_worker_restarts_total")).toBe(1);
    expect(await metric(gateway, "llmgateway_lost_calls_total")).toBe(1);
    expect(await metric(gateway, counted)).toBeGreaterThanOrEqual(before);
  });
});

describe("the end of a gateway of workers", () => {
  it("lets streams of every worker finish, and leaves with exit code 0", async () => {
    const gateway = await start();
    const byWorker = await connectToEach(gateway);
    const streams = [...byWorker.values()].map((client) =>
      client.stream(streamComplete, {
        start: { case: "request", value: { ...ask("slow"), sampling: { maxOutputTokens: 60 } } },
      }),
    );
    const ended = streams.map((stream) => collect(stream));
    await Promise.all(streams.map((stream) => waitForEvent(stream, "partDelta")));
    gateway.kill("SIGTERM");
    for (const { error, messages } of await Promise.all(ended)) {
      expect(error).toBeUndefined();
      expect(messages.at(-1)?.event.case).toBe("completed");
    }
    expect(await gateway.exited).toBe(0);
  });
});

describe("a second signal", () => {
  it("ends all processes at once", async () => {
    const gateway = await start();
    const byWorker = await connectToEach(gateway);
    const pids = [pidOf(gateway, 1), pidOf(gateway, 2)];
    const short = { ...ask("slow"), sampling: { maxOutputTokens: 150 } }; // A drain would let it finish.
    const stream = clientOf(byWorker, 1).stream(streamComplete, { start: { case: "request", value: short } });
    const ended = collect(stream);
    await waitForEvent(stream, "partDelta");
    gateway.kill("SIGTERM");
    await eventually(() => (gateway.lines.some((line) => line.includes('"draining"')) ? true : undefined));
    gateway.kill("SIGTERM");
    expect(await gateway.exited).toBeNull();
    expect((await ended).error).toBeDefined();
    await eventually(() => (pids.some(isAlive) ? undefined : true));
  });
});

describe("workers whose first process was killed", () => {
  it("let their streams finish, end, and leave the folder to the next life", async () => {
    const gateway = await start();
    const byWorker = await connectToEach(gateway);
    const pids = [pidOf(gateway, 1), pidOf(gateway, 2)];
    const short = { ...ask("slow"), sampling: { maxOutputTokens: 60 } };
    const streams = [...byWorker.values()].map((client) =>
      client.stream(streamComplete, { start: { case: "request", value: short } }),
    );
    const ended = streams.map((stream) => collect(stream));
    await Promise.all(streams.map((stream) => waitForEvent(stream, "partDelta")));
    gateway.kill("SIGKILL");
    for (const { error } of await Promise.all(ended)) expect(error).toBeUndefined();
    await eventually(() => (pids.some(isAlive) ? undefined : true));
    const next = await start({ folder: gateway.folder });
    const events = await allEvents(connect(next));
    expect(events.filter(({ requestedModel }) => requestedModel === "slow")).toHaveLength(2);
    expect(events.filter(({ outcome }) => outcome === Outcome.LOST)).toEqual([]);
  });
});

describe("another number of workers over the same folder", () => {
  it("leaves no call behind: from one process to three workers, and to one", async () => {
    const folder = mkdtempSync(join(tmpdir(), "llm-gateway-"));
    const ids: string[] = [];
    for (const workers of [1, 3, 2, 1]) {
      const gateway = await start({ folder, workers });
      const connections = Array.from({ length: 3 }, () => connect(gateway));
      for (const client of connections) ids.push((await client.unary(complete, ask("small"))).responseId);
      const [asked] = connections;
      const events = asked === undefined ? [] : await allEvents(asked);
      expect(events.map(({ responseId }) => responseId).sort()).toEqual([...ids].sort());
      // In most of these lives the oldest event stands in a journal that no worker has any more.
      const replaced = new Set(events.map(({ correctsEventId }) => correctsEventId));
      const oldest = events.findLast(({ eventId }) => !replaced.has(eventId));
      const request = { eventId: oldest?.eventId ?? "", reason: "r", usage: { inputTokens: workers } };
      const corrected = await asked?.unary(correctUsage, request, { secret: platformSecret });
      expect(corrected?.event).toMatchObject({ correctsEventId: oldest?.eventId, usage: { inputTokens: workers } });
      ids.push(oldest?.responseId ?? "");
      gateway.kill("SIGTERM");
      expect(await gateway.exited).toBe(0);
    }
  });
});
