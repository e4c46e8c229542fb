// Time: the caller's deadline and the caller's going away, each in every phase of a call; the operator's time-outs; and
// heartbeats, so that silence is never mistaken for death.
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AttemptOutcome, ErrorReason, Outcome, RecoveryMode, UsageSource } from "../../src/contract.ts";
import { foldResponses } from "../fold-responses.ts";
import { collect } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";
import { ask, eventually, responseIdOf, Stage, saidIn, textOf, waitForEvent } from "./stage.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    models: {
      "deadline-unary": ["sim/sim-slow-first-token-20000"],
      "deadline-first-token": ["sim/sim-slow-first-token-20001"],
      "deadline-mid-stream": ["sim/sim-tokens-400+pace-20ms"],
      "deadline-backoff": ["sim/sim-fail-503-retry-after-20"],
      "cancel-unary": ["sim/sim-slow-first-token-20002"],
      "cancel-first-token": ["sim/sim-slow-first-token-20003"],
      "cancel-mid-stream": ["sim/sim-tokens-401+pace-20ms"],
      "cancel-at-once": ["sim/sim-slow-first-token-20004"],
      "first-token": ["impatient/sim-silent"],
      idle: ["impatient/sim-tokens-20+stall-after-4"],
      total: ["impatient/sim-tokens-402+pace-20ms"],
      "total-unary": ["impatient/sim-slow-first-token-20005"],
      "first-token-falls-over": ["impatient/sim-silent", "claude/sim-small"],
      "deadline-both": ["sim/sim-slow-first-token-20006"],
      "deadline-passed": ["sim/sim-small"],
      quiet: ["sim/sim-slow-first-token-2200"],
      trickle: ["trickling/sim-tokens-80+pace-200ms"],
      "trickle-falls-over": ["trickling/sim-tokens-81+pace-200ms", "claude/sim-small"],
      "fast-enough": ["trickling/sim-tokens-60+pace-40ms"],
      "long-pause": ["sim/sim-tokens-2+pace-1300ms"],
    },
    providers:
      "  - { id: trickling, kind: openai, base_url: SIMULATOR, credentials: { api_key: { env: TEST_PROVIDER_KEY } }, min_rate: { tokens_per_second: 12, window: 1s } }\n",
  });
});

afterAll(() => stage?.close());

/** The deadline told to the gateway alone: a client that keeps it too hangs up in the same instant. */
const within = (ms: number) => ({ metadata: { "grpc-timeout": ms < 1 ? `${ms * 1e6}n` : `${ms}m` } });

const providerRequest = (model: string) => stage.simulator.waitForRequest((one) => one.body.includes(model));

async function failureOf(call: Promise<unknown>): Promise<ServiceError> {
  const outcome = await call.then(
    () => undefined,
    (error: ServiceError) => error,
  );
  if (outcome === undefined) throw new Error("the call did not fail");
  return outcome;
}

describe("the caller's deadline", () => {
  it("ends a unary call that the provider is still working on, and closes the connection to it", async () => {
    const failure = await failureOf(stage.complete(ask("deadline-unary"), within(300)));
    expect(failure.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(detailsOf(failure).attempts?.attempts).toHaveLength(1);
    expect(await (await providerRequest("sim-slow-first-token-20000")).closed).toBe("closed-early");
    const event = await stage.eventOfModel("deadline-unary");
    expect(event.outcome).toBe(Outcome.CANCELLED);
    expect(event.statusCode).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(event.usage?.source).toBe(UsageSource.ESTIMATED);
    expect(event.cost?.totalNanoUsd).toBeGreaterThan(0n);
  });

  it("ends a stream that waits for its first token", async () => {
    const { error } = await collect(stage.stream(ask("deadline-first-token"), {}, within(300)));
    expect(error?.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(await (await providerRequest("sim-slow-first-token-20001")).closed).toBe("closed-early");
    expect((await stage.eventOfModel("deadline-first-token")).statusCode).toBe(grpcStatus.DEADLINE_EXCEEDED);
  });

  it("ends a stream in the middle, and bills what had been said by then", async () => {
    const { messages, error } = await collect(stage.stream(ask("deadline-mid-stream"), {}, within(700)));
    expect(error?.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(messages.some(({ event }) => event.case === "partDelta")).toBe(true);
    expect(detailsOf(error as ServiceError).stream?.lastSequence).toBe(messages.at(-1)?.sequence);
    expect(await (await providerRequest("sim-tokens-400")).closed).toBe("closed-early");
    const event = await stage.eventOf(responseIdOf(messages));
    expect(event.statusCode).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(event.usage?.outputTokens).toBeGreaterThan(0);
  });

  it("is the reason on record when the client keeps it too, and hangs up in the same instant", async () => {
    const calls = Array.from({ length: 10 }, (_, index) =>
      failureOf(stage.complete({ ...ask("deadline-both"), requestId: `both-${index}` }, { deadlineMs: 200 + index })),
    );
    for (const failure of await Promise.all(calls)) expect(failure.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    const events = await eventually(async () => {
      const found = (await stage.events()).filter(({ requestedModel }) => requestedModel === "deadline-both");
      return found.length === 10 ? found : undefined;
    });
    expect(events.map(({ statusCode }) => statusCode)).toEqual(events.map(() => grpcStatus.DEADLINE_EXCEEDED));
  });

  it("that leaves no room for the wait that a provider asks for is not waited out", async () => {
    const failure = await failureOf(stage.complete(ask("deadline-backoff"), within(5_000)));
    expect(failure.code).toBe(grpcStatus.UNAVAILABLE);
    const event = await stage.eventOfModel("deadline-backoff");
    expect(event.attempts.filter(({ outcome }) => outcome === AttemptOutcome.FAILED)).toHaveLength(1);
  });

  it("that has passed when the call arrives gives an event, and no provider is asked", async () => {
    const before = stage.simulator.requests.length;
    const failure = await failureOf(stage.complete(ask("deadline-passed"), within(1e-6)));
    expect(failure.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(detailsOf(failure).info?.reason).toBe("DEADLINE_EXCEEDED");
    expect(stage.simulator.requests.length).toBe(before);
    const event = await stage.eventOfModel("deadline-passed");
    expect(event.statusCode).toBe(grpcStatus.DEADLINE_EXCEEDED);
    expect(event.attempts).toEqual([]);
  });
});

describe("a caller that goes away", () => {
  it("during a unary call closes the provider's connection", async () => {
    const call = new AbortController();
    const failed = failureOf(stage.complete(ask("cancel-unary"), { signal: call.signal }));
    const request = await providerRequest("sim-slow-first-token-20002");
    call.abort();
    expect((await failed).code).toBe(grpcStatus.CANCELLED);
    expect(await request.closed).toBe("closed-early");
    expect((await stage.eventOfModel("cancel-unary")).outcome).toBe(Outcome.CANCELLED);
  });

  it("before the first token closes the provider's connection", async () => {
    const stream = stage.stream(ask("cancel-first-token"));
    const ended = collect(stream);
    const request = await providerRequest("sim-slow-first-token-20003");
    stream.cancel();
    expect((await ended).error?.code).toBe(grpcStatus.CANCELLED);
    expect(await request.closed).toBe("closed-early");
    expect((await stage.eventOfModel("cancel-first-token")).outcome).toBe(Outcome.CANCELLED);
  });

  it("in the middle of a stream closes the provider's connection and bills what was said", async () => {
    const stream = stage.stream(ask("cancel-mid-stream"));
    await waitForEvent(stream, "partDelta");
    stream.on("error", () => undefined);
    const request = await providerRequest("sim-tokens-401");
    stream.cancel();
    expect(await request.closed).toBe("closed-early");
    const event = await stage.eventOfModel("cancel-mid-stream");
    expect(event.outcome).toBe(Outcome.CANCELLED);
    expect(event.usage?.outputTokens).toBeLessThan(401);
  });

  it("while START is being written has its event all the same, and no more than one", async () => {
    const streams = Array.from({ length: 20 }, () => stage.stream(ask("cancel-at-once")));
    const ends = streams.map((stream) => collect(stream));
    for (const [index, stream] of streams.entries()) setTimeout(() => stream.cancel(), index);
    await Promise.all(ends);
    // Whatever reached the gateway has ended, and none is under way.
    await expect.poll(() => stage.metric("llmgateway_calls_in_flight"), { timeout: 10_000 }).toBe(0);
    await expect.poll(() => stage.simulator.open).toBe(0);
    const events = (await stage.events()).filter((event) => event.requestedModel === "cancel-at-once");
    expect(new Set(events.map(({ responseId }) => responseId)).size).toBe(events.length);
    for (const event of events) expect(event.outcome).toBe(Outcome.CANCELLED);
  });
});

describe("the operator's time-outs", () => {
  it("give up on a provider that says nothing, and say that it may be tried again", async () => {
    const { messages, error } = await collect(stage.stream({ ...ask("first-token"), routing: { maxAttempts: 1 } }));
    expect(messages.filter(({ event }) => event.case === "partDelta")).toEqual([]);
    expect(error?.code).toBe(grpcStatus.UNAVAILABLE);
    const details = detailsOf(error as ServiceError);
    expect(details.info?.reason).toBe("PROVIDER_TIMEOUT");
    expect(details.retry).toBeDefined();
    expect(details.attempts?.attempts[0]?.errorReason).toBe(ErrorReason.PROVIDER_TIMEOUT);
    const event = await stage.eventOfModel("first-token");
    expect(event.outcome).toBe(Outcome.FAILED);
    expect(event.usage?.source).toBe(UsageSource.ESTIMATED);
  });

  it("move on to the next target unseen when nothing has been said yet", async () => {
    const { messages, error } = await collect(stage.stream(ask("first-token-falls-over")));
    expect(error).toBeUndefined();
    const last = messages.at(-1)?.event;
    const attempts = last?.case === "completed" ? (last.value.response?.attempts ?? []) : [];
    expect(attempts[0]?.errorReason).toBe(ErrorReason.PROVIDER_TIMEOUT);
    expect(attempts.at(-1)?.provider).toBe("anthropic");
    expect(messages.some(({ event }) => event.case === "partsReset")).toBe(false);
  });

  it("end a stream that falls silent after content, as interrupted", async () => {
    const { messages, error } = await collect(stage.stream(ask("idle")));
    expect(error?.code).toBe(grpcStatus.ABORTED);
    const details = detailsOf(error as ServiceError);
    expect(details.info?.reason).toBe("STREAM_INTERRUPTED");
    expect(details.info?.metadata["cause"]).toBe("PROVIDER_TIMEOUT");
    expect(details.stream?.lastSequence).toBe(messages.at(-1)?.sequence);
    expect(await (await providerRequest("stall-after-4")).closed).toBe("closed-early");
  });

  it("end an attempt that never stops talking", async () => {
    const { error } = await collect(stage.stream(ask("total")));
    expect(error?.code).toBe(grpcStatus.ABORTED);
    expect(await (await providerRequest("sim-tokens-402")).closed).toBe("closed-early");
  });

  it("end a stream that trickles, and leave alone one that is fast enough", async () => {
    const { messages, error } = await collect(stage.stream(ask("trickle")));
    expect(error?.code).toBe(grpcStatus.ABORTED);
    expect(detailsOf(error as ServiceError).info?.metadata["cause"]).toBe("PROVIDER_TIMEOUT");
    expect(messages.filter(({ event }) => event.case === "partDelta").length).toBeGreaterThan(0);
    expect(await (await providerRequest("sim-tokens-80")).closed).toBe("closed-early");
    expect((await collect(stage.stream(ask("fast-enough")))).error).toBeUndefined();
  });

  it("begin a stream that trickles again elsewhere when the caller asked for that", async () => {
    const { messages, error } = await collect(
      stage.stream(ask("trickle-falls-over"), { recovery: RecoveryMode.RESTART }),
    );
    expect(error).toBeUndefined();
    const { attempts, message } = foldResponses(messages);
    expect(attempts.map(({ errorReason }) => errorReason)).toEqual([ErrorReason.PROVIDER_TIMEOUT, 0]);
    expect(textOf(message?.parts)).not.toContain(saidIn(messages));
  });

  it("end a unary attempt too", async () => {
    const failure = await failureOf(stage.complete({ ...ask("total-unary"), routing: { maxAttempts: 1 } }));
    expect(failure.code).toBe(grpcStatus.UNAVAILABLE);
    expect(detailsOf(failure).info?.reason).toBe("PROVIDER_TIMEOUT");
    expect(await (await providerRequest("sim-slow-first-token-20005")).closed).toBe("closed-early");
  });
});

describe("heartbeats", () => {
  const everySecond = { heartbeatInterval: { seconds: 1n, nanos: 0 } };

  it("say in the silence before the first token that the call is alive", async () => {
    const { messages, error } = await collect(stage.stream(ask("quiet"), everySecond));
    expect(error).toBeUndefined();
    expect(messages[0]?.event.case).toBe("started");
    expect(messages[1]?.event.case).toBe("heartbeat");
    expect(messages[1]?.sequence).toBe(1);
  });

  it("repeat the number before them between two tokens, so that a cursor stays exact", async () => {
    const { messages } = await collect(stage.stream(ask("long-pause"), everySecond));
    const beats = messages.flatMap((message, index) => (message.event.case === "heartbeat" ? [index] : []));
    expect(beats.length).toBeGreaterThan(0);
    for (const index of beats) expect(messages[index]?.sequence).toBe(messages[index - 1]?.sequence);
    const counted = messages.filter(({ event }) => event.case !== "heartbeat");
    expect(counted.map(({ sequence }) => sequence)).toEqual(counted.map((_, index) => index + 1));
  });
});
