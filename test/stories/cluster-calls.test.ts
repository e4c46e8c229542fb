// Three gateway processes and a real nats-server: a call that is repeated, or a stream that is resumed, at another replica
// than the one that runs it; and what becomes of it when that one is killed.
import { hash } from "node:crypto";
import type { ServiceError } from "@grpc/grpc-js";
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CacheStatus,
  InferenceService,
  Outcome,
  type StreamCompleteResponse,
  type UsageEvent,
  UsageService,
} from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { failureOf } from "../failure-of.ts";
import { foldResponses } from "../fold-responses.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { readSlowly } from "../slow-reader.ts";
import { ask, eventually, responseIdOf, saidIn, textOf } from "./stage.ts";

const { complete, streamComplete, embed } = InferenceService.method;

let simulator: Simulator;
let nats: NatsServer;
let replicas: Replica[];

type Replica = { gateway: GatewayProcess; client: TestClient };

beforeAll(async () => {
  simulator = await startSimulator();
  nats = await startNats();
  replicas = await Promise.all([0, 1, 2].map(() => startReplica()));
});

afterAll(async () => {
  for (const { client } of replicas ?? []) client.close();
  await stopGateways();
  await nats?.stop();
  await simulator?.close();
});

const otherSecret = "secret-of-another-project";

async function startReplica(folder?: string, more = "", args: readonly string[] = []): Promise<Replica> {
  const key = (id: string, project: string, secret: string) =>
    `  - { id: ${id}, project: ${project}, digest: "sha256:${hash("sha256", secret, "hex")}", roles: [inference, usage] }\n`;
  const gateway = await startGateway({
    folder,
    args,
    keys: `keys:\n${key("test", "search", "test-secret")}${key("foreign", "other", otherSecret)}`,
    yaml: `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - { id: small, targets: [{ provider: sim, model: sim-small }] }
  - { id: slow, targets: [{ provider: sim, model: "sim-tokens-60+pace-30ms" }] }
  - { id: long, targets: [{ provider: sim, model: "sim-tokens-6000+pace-1ms" }] }
  - { id: slower, targets: [{ provider: sim, model: "sim-tokens-160+pace-30ms" }] }
  - { id: vectors, targets: [{ provider: sim, model: text-embedding-3-small }] }
  - { id: refused, targets: [{ provider: sim, model: sim-fail-400 }] }
  - { id: overloaded, retry: { max_attempts: 1 }, targets: [{ provider: sim, model: sim-fail-503 }] }
usage: { journal: { durability: os } }
cluster: { nats: { servers: ["${nats.url}"] } }
${more}`,
  });
  return { gateway, client: new TestClient(gateway.port) };
}

function at(index: number): TestClient {
  const replica = replicas[index];
  if (replica === undefined) throw new Error(`there is no replica ${index}`);
  return replica.client;
}

/** SIGKILL, and a new life over the same folder when asked. */
async function kill(index: number): Promise<() => Promise<void>> {
  const replica = replicas[index];
  if (replica === undefined) throw new Error(`there is no replica ${index}`);
  replica.gateway.kill("SIGKILL");
  await replica.gateway.exited;
  return async () => {
    replica.client.close();
    Object.assign(replica, await startReplica(replica.gateway.folder));
  };
}

function askedOf(text: string): number {
  return simulator.requests.filter(({ body }) => body.includes(text)).length;
}

async function eventsOf(requestId: string): Promise<readonly UsageEvent[]> {
  const found: UsageEvent[] = [];
  for (const { client } of replicas) {
    const { events } = await client.unary(UsageService.method.listUsageEvents, { pageSize: 1000 });
    found.push(...events.filter((event) => event.requestId === requestId));
  }
  return found;
}

function stream(index: number, request: ReturnType<typeof ask> & { requestId?: string }, resumable = false) {
  const start = { case: "request", value: request } as const;
  return at(index).stream(streamComplete, { start, options: { resumable } });
}

function resume(index: number, responseId: string, afterSequence: number, secret?: string) {
  const start = { case: "resume", value: { responseId, afterSequence } } as const;
  return collect(at(index).stream(streamComplete, { start }, { secret }));
}

/** Reads until so many events came, then leaves. */
async function readSome(index: number, text: string, events: number): Promise<readonly StreamCompleteResponse[]> {
  const reading = stream(index, ask("slow", text), true);
  const seen: StreamCompleteResponse[] = [];
  reading.on("data", (message: StreamCompleteResponse) => seen.push(message));
  reading.on("error", () => undefined);
  await eventually(() => (seen.length >= events ? true : undefined));
  reading.cancel();
  return seen;
}

describe("a request id in a cluster", () => {
  it("is one provider call and one event, whichever replicas are asked at once", async () => {
    const request = { ...ask("slow", "all at once in the cluster"), requestId: "cluster-at-once" };
    const answers = await Promise.all([0, 1, 2, 0, 1, 2].map((index) => at(index).unary(complete, request)));
    expect(new Set(answers.map(({ responseId }) => responseId)).size).toBe(1);
    expect(answers.filter((one) => one.responseCacheStatus === CacheStatus.COALESCED)).toHaveLength(5);
    expect(askedOf("all at once in the cluster")).toBe(1);
    expect(await eventsOf("cluster-at-once")).toHaveLength(1);
  });

  it("gives the same answer afterwards, unary and as a stream, and costs nothing again", async () => {
    const request = { ...ask("small", "and afterwards"), requestId: "cluster-afterwards" };
    const first = await at(0).unary(complete, request);
    const again = await at(1).unary(complete, request);
    expect(again).toEqual({ ...first, responseCacheStatus: CacheStatus.REPLAYED });
    const { messages } = await collect(stream(2, request));
    expect(foldResponses(messages)).toEqual(again);
    expect(askedOf("and afterwards")).toBe(1);
    expect(await eventsOf("cluster-afterwards")).toHaveLength(1);
  });

  it("joins a stream that runs elsewhere, from its first event on", async () => {
    const request = { ...ask("slow", "joined elsewhere"), requestId: "cluster-stream" };
    const [one, two] = await Promise.all([collect(stream(0, request)), collect(stream(1, request))]);
    expect([one.error, two.error]).toEqual([undefined, undefined]);
    expect(two.messages.map(({ sequence }) => sequence)).toEqual(one.messages.map(({ sequence }) => sequence));
    expect(saidIn(two.messages)).toBe(saidIn(one.messages));
    const unary = await at(2).unary(complete, request);
    expect(textOf(unary.message?.parts)).toBe(saidIn(one.messages));
    expect(askedOf("joined elsewhere")).toBe(1);
    expect(await eventsOf("cluster-stream")).toHaveLength(1);
  });

  it("is refused with another payload, and is another call in another project", async () => {
    const request = { ...ask("small", "mine alone"), requestId: "cluster-tenants" };
    const mine = await at(0).unary(complete, request);
    const reused = await failureOf(at(1).unary(complete, { ...request, ...ask("small", "something else") }));
    expect([reused.code, reused.reason]).toEqual([grpcStatus.ALREADY_EXISTS, "REQUEST_ID_REUSED"]);
    const theirs = await at(1).unary(complete, request, { secret: otherSecret });
    expect(theirs.responseId).not.toBe(mine.responseId);
    expect(theirs.responseCacheStatus).toBe(CacheStatus.UNSPECIFIED);
  });

  it("remembers a failure that is final, and tries anew after one that is not", async () => {
    const final = { ...ask("refused", "for good"), requestId: "cluster-final" };
    const first = await failureOf(at(0).unary(complete, final));
    await eventually(async () => {
      const again = await failureOf(at(1).unary(complete, final));
      expect(again.reason).toBe(first.reason);
      return true;
    });
    expect(askedOf("for good")).toBe(1);
    const brief = { ...ask("overloaded", "for now"), requestId: "cluster-brief" };
    await failureOf(at(0).unary(complete, brief));
    await eventually(async () => {
      await failureOf(at(1).unary(complete, brief));
      return askedOf("for now") > 1 ? true : undefined;
    });
  });

  it("is as good for other operations", async () => {
    const request = {
      model: "vectors",
      inputs: [{ parts: [{ content: { case: "text" as const, value: { text: "once embedded" } } }] }],
      context: { requestId: "cluster-embed" },
    };
    const first = await at(0).unary(embed, request);
    const again = await at(1).unary(embed, request);
    expect(again.info?.responseId).toBe(first.info?.responseId);
    expect(again.info?.responseCacheStatus).toBe(CacheStatus.REPLAYED);
    expect(askedOf("once embedded")).toBe(1);
  });
});

describe("the workers of one gateway in a cluster", () => {
  it("share request ids as replicas do", async () => {
    const { gateway, client } = await startReplica(undefined, "", ["--workers", "2"]);
    const clients = Array.from({ length: 6 }, () => new TestClient(gateway.port, { ownConnection: true }));
    const request = { ...ask("slow", "over the workers"), requestId: "cluster-workers" };
    const answers = await Promise.all(clients.map((one) => one.unary(complete, request)));
    expect(new Set(answers.map(({ responseId }) => responseId)).size).toBe(1);
    expect(askedOf("over the workers")).toBe(1);
    for (const one of [client, ...clients]) one.close();
    gateway.kill("SIGTERM");
    await gateway.exited;
  });
});

describe("a stream that lost its connection", () => {
  it("is resumed at another replica, with every event once", async () => {
    const seen = await readSome(0, "resumed elsewhere", 8);
    const rest = await resume(1, responseIdOf(seen), seen.at(-1)?.sequence ?? 0);
    expect(rest.error).toBeUndefined();
    const whole = [...seen, ...rest.messages];
    expect(whole.map(({ sequence }) => sequence)).toEqual(whole.map((_, index) => index + 1));
    expect(textOf(foldResponses(whole).message?.parts).split(" ")).toHaveLength(60);
    expect(askedOf("resumed elsewhere")).toBe(1);
    const late = await resume(2, responseIdOf(seen), 0);
    expect(saidIn(late.messages)).toBe(saidIn(whole));
  });

  it("is not found by another project, nor under a cursor that it never reached", async () => {
    const seen = await readSome(0, "not for others", 3);
    const responseId = responseIdOf(seen);
    expect((await resume(1, responseId, 1, otherSecret)).error?.code).toBe(grpcStatus.OUT_OF_RANGE);
    expect((await resume(1, responseId, 5_000)).error?.code).toBe(grpcStatus.OUT_OF_RANGE);
    expect((await resume(1, "no-such-response", 0)).error?.code).toBe(grpcStatus.OUT_OF_RANGE);
  });
});

describe("a reader who joined and takes nothing", () => {
  it("holds up neither the first one nor those at other replicas, and gets every event when it goes on", async () => {
    const request = { ...ask("long", "at its own pace"), requestId: "cluster-pace" };
    const first = collect(stream(0, request));
    await simulator.waitForRequest(({ body }) => body.includes("at its own pace"));
    const slow = [0, 1].map((index) => readSlowly(replicas[index]?.gateway.port ?? 0, request));
    const other = collect(stream(2, request));
    const [whole, alongside] = await Promise.all([first, other]);
    expect([whole.error, alongside.error]).toEqual([undefined, undefined]);
    expect(saidIn(alongside.messages)).toBe(saidIn(whole.messages));
    for (const { rest } of slow) expect(saidIn(await rest())).toBe(saidIn(whole.messages));
    expect(askedOf("at its own pace")).toBe(1);
  });
});

describe("a nats-server that restarts while streams are read along", () => {
  it("costs them no event, and none comes twice", async () => {
    const request = { ...ask("slower", "across a restart"), requestId: "cluster-restart" };
    const owned = collect(stream(0, request));
    await simulator.waitForRequest(({ body }) => body.includes("across a restart"));
    const joined = stream(1, request);
    const seen: StreamCompleteResponse[] = [];
    joined.on("data", (message: StreamCompleteResponse) => seen.push(message));
    const ended = new Promise<unknown>((resolve) => {
      joined.on("end", resolve);
      joined.on("error", resolve);
    });
    await eventually(() => (seen.length > 20 ? true : undefined));
    await nats.restart();
    expect(await ended).toBeUndefined();
    const { messages, error } = await owned;
    expect(error).toBeUndefined();
    const counted = (all: readonly StreamCompleteResponse[]) =>
      all.filter(({ event }) => event.case !== "heartbeat").map(({ sequence }) => sequence);
    expect(counted(seen)).toEqual(counted(messages));
    expect(saidIn(seen)).toBe(saidIn(messages));
    expect(askedOf("across a restart")).toBe(1);
  });
});

describe("a replica that is killed", () => {
  it("leaves its answers to the others", async () => {
    const request = { ...ask("small", "outlives its replica"), requestId: "cluster-outlives" };
    const first = await at(0).unary(complete, request);
    const restart = await kill(0);
    expect(await at(1).unary(complete, request)).toEqual({ ...first, responseCacheStatus: CacheStatus.REPLAYED });
    expect(askedOf("outlives its replica")).toBe(1);
    await restart();
  });

  it("leaves its running call to who joined it: two provider calls, two events, one of them lost", async () => {
    const request = { ...ask("slow", "taken over"), requestId: "cluster-taken-over" };
    const first = at(0)
      .unary(complete, request)
      .catch(({ code }: ServiceError) => code);
    await simulator.waitForRequest(({ body }) => body.includes("taken over"));
    const joined = at(1).unary(complete, request);
    const restart = await kill(0);
    expect(await first).toBe(grpcStatus.UNAVAILABLE);
    const answer = await joined;
    expect(textOf(answer.message?.parts).split(" ")).toHaveLength(60);
    expect((await at(2).unary(complete, request)).responseId).toBe(answer.responseId);
    expect(askedOf("taken over")).toBe(2);
    await restart();
    const outcomes = (await eventsOf("cluster-taken-over")).map(({ outcome }) => outcome).sort();
    expect(outcomes).toEqual([Outcome.SUCCEEDED, Outcome.LOST].sort());
  });

  it("ends the streams of those who read along, typed, and its cursors have expired", async () => {
    const seen = await readSome(0, "dies in the middle", 4);
    const reading = stream(1, { ...ask("slow", "along with it"), requestId: "cluster-dies" });
    const owned = stream(0, { ...ask("slow", "along with it"), requestId: "cluster-dies" });
    owned.on("error", () => undefined);
    const read = collect(reading);
    const resumed = resume(1, responseIdOf(seen), 2);
    await simulator.waitForRequest(({ body }) => body.includes("along with it"));
    const restart = await kill(0);
    const end = await resumed;
    expect([grpcStatus.ABORTED, grpcStatus.OUT_OF_RANGE]).toContain(end.error?.code);
    const whole = await read; // Its own, or taken over, or cut: whatever was said stands, and the end is typed.
    expect([undefined, grpcStatus.ABORTED]).toContain(whole.error?.code);
    expect((await resume(2, responseIdOf(seen), 2)).error?.code).toBe(grpcStatus.OUT_OF_RANGE);
    await restart();
  });
});

describe("while NATS is away", () => {
  it("a request id is known to one replica alone, and the answer says so; or the call is refused", async () => {
    const strict = await startReplica(undefined, "replay: { on_state_failure: closed }\n");
    await strict.client.unary(complete, { ...ask("small", "while it is there"), requestId: "strict-there" });
    await nats.kill();
    const request = { ...ask("small", "all alone"), requestId: "cluster-alone" };
    const first = await eventually(async () => {
      const answer = await at(0).unary(complete, request);
      return answer.warnings.length > 0 ? answer : undefined;
    });
    expect(first.warnings.map(({ field }) => field)).toEqual(["request_id"]);
    expect((await at(0).unary(complete, request)).responseId).toBe(first.responseId);
    expect((await at(1).unary(complete, request)).responseId).not.toBe(first.responseId);
    await at(0).unary(complete, ask("small", "without an id"));
    const refused = await failureOf(strict.client.unary(complete, { ...request, requestId: "strict-away" }));
    expect(refused.reason).toBe("GATEWAY_OVERLOADED");
    await strict.client.unary(complete, ask("small", "without an id"));
    await nats.restart();
    await eventually(async () => {
      const again = await failureOf(strict.client.unary(complete, { ...request, requestId: "strict-back" }));
      return again.code === 0 ? true : undefined;
    });
    strict.client.close();
  });
});
