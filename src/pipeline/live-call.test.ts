// What every call goes through: hedging, deadlines, and ends that go wrong.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  AttemptOutcome,
  CompleteRequestSchema,
  type CompleteResponse,
  CountTokensRequestSchema,
  type CountTokensResponse,
  ErrorReason,
  IncludeOption,
  Outcome,
  Role,
  StreamCompleteRequestSchema,
  type UsageEvent,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Credential } from "../domain/credential.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { sumUsage } from "../metering/sum-usage.ts";
import { createAnthropicProvider } from "../providers/anthropic/index.ts";
import { createOpenAiProvider } from "../providers/openai/index.ts";
import type { Provider } from "../providers/provider.ts";
import type { CallHandle, Reservation } from "./ports.ts";
import { anthropicWire, openAiWire, streamScript, wholeScript } from "./testing/chat-answers.ts";
import { foldHeard, RecordingAnswer, RecordingStream } from "./testing/recording-sinks.ts";
import type { ScriptStep } from "./testing/scripted-upstream.ts";
import { settled, World, type WorldOptions } from "./testing/world.ts";

const openAi = createOpenAiProvider({ id: "openai", kind: "openai" });
const anthropic = createAnthropicProvider({ id: "claude", kind: "anthropic" });
const spoken = { text: ["one ", "two ", "three"] };
const broken: ScriptStep = { kind: "failure", failure: new ProviderFailure("interrupted", "the connection broke") };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const request = create(CompleteRequestSchema, {
  model: "m",
  messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Say something." } } }] }],
});

function complete(world: World, timeoutMs?: number) {
  const sink = new RecordingAnswer<CompleteResponse>();
  const handle = world.open("Complete", timeoutMs).complete(request, sink);
  return { sink, handle };
}

function stream(world: World, timeoutMs?: number) {
  const sink = new RecordingStream();
  const start = { case: "request", value: request } as const;
  const opened = world.open("StreamComplete", timeoutMs);
  const handle = opened.streamComplete(create(StreamCompleteRequestSchema, { start }), sink);
  return { sink, handle };
}

function expectLaw14(event: UsageEvent | undefined): void {
  if (event === undefined) throw new Error("no event");
  expect(event.usage).toEqual(sumUsage(event.attempts.map(({ usage }) => usage)));
  const served = event.attempts.filter(({ outcome }) => outcome === AttemptOutcome.SERVED).length;
  expect(served).toBe(event.outcome === Outcome.SUCCEEDED ? 1 : 0);
  expect(event.attempts.some(({ outcome }) => outcome === AttemptOutcome.UNSPECIFIED)).toBe(false);
}

/** A step of either exchange, of both in the same instant, time, or the caller going away. */
type Doing = 0 | 1 | "both" | "time" | "cancel";

async function act(world: World, handle: CallHandle, doing: Doing): Promise<void> {
  await settled();
  if (doing === "time") vi.advanceTimersByTime(30);
  else if (doing === "cancel") handle.cancel();
  else if (doing === "both") for (const exchange of world.upstream.exchanges) exchange.play();
  else world.upstream.exchanges[doing]?.play();
}

function expectOneVoice(sink: RecordingStream | RecordingAnswer<CompleteResponse>, isGone: boolean): void {
  const isStream = sink instanceof RecordingStream;
  if (!isGone) expect(isStream ? sink.ends.length : sink.ends).toBe(1);
  const response = isStream ? foldHeard(sink.heard).response : sink.responses[0];
  if (response === undefined) return;
  expect(response.message?.parts[0]?.content).toMatchObject({ value: { text: "one two three" } });
}

describe("a hedged call", () => {
  const wires = [
    { provider: openAi, wire: openAiWire },
    { provider: anthropic, wire: anthropicWire },
  ] as const;
  const providers: readonly Provider[] = wires.map(({ provider }) => provider);

  function scriptOf(mode: "unary" | "stream", breaksAfter: readonly number[]): WorldOptions["scriptOf"] {
    return (exchange) => {
      const wire = wires[exchange]?.wire ?? openAiWire;
      const script = mode === "unary" ? wholeScript(wire.whole(spoken)) : streamScript(wire.events(spoken));
      const after = breaksAfter[exchange] ?? 99;
      return after < script.length ? [...script.slice(0, after), broken] : script;
    };
  }

  const cases = fc.record({
    mode: fc.constantFrom("unary" as const, "stream" as const),
    breaksAfter: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 2 }),
    doings: fc.array(fc.constantFrom<Doing[]>("both", "both", 0, 0, 0, 1, 1, 1, "time", "time", "cancel"), {
      maxLength: 30,
    }),
  });

  it("speaks with one voice and loses no attempt, whoever is faster, breaks or leaves", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ mode, breaksAfter, doings }) => {
        const world = new World({ providers, scriptOf: scriptOf(mode, breaksAfter), hedgeAfterMs: 50 });
        const { sink, handle } = mode === "unary" ? complete(world) : stream(world);
        for (const doing of doings) await act(world, handle, doing);
        for (let round = 0; round < 3; round += 1) {
          await world.playOut();
          vi.advanceTimersByTime(60);
        }
        await settled();
        expect(world.leaks).toEqual([]);
        expect(world.finals.length).toBe(1);
        expectLaw14(world.finals[0]);
        expect(world.finals[0]?.attempts.length).toBe(world.router.grants.filter(({ isStarted }) => isStarted).length);
        expectOneVoice(sink, doings.includes("cancel"));
      }),
      { numRuns: 300 },
    );
    vi.runAllTimers();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is billed by the count of each when both finish in the same instant", async () => {
    const world = new World({ providers, scriptOf: scriptOf("unary", []), hedgeAfterMs: 50 });
    const { sink, handle } = complete(world);
    for (const doing of ["time", "time", "both", "both", "both"] as const) await act(world, handle, doing);
    await settled();
    expect(sink.responses.length).toBe(1);
    expect(world.finals[0]?.attempts.map(({ usage }) => usage?.outputTokens)).toEqual([7, 7]);
    expectLaw14(world.finals[0]);
    expect(world.leaks).toEqual([]);
  });

  it("starts no second attempt once the first has spoken", async () => {
    const world = new World({ providers, scriptOf: scriptOf("stream", []), hedgeAfterMs: 50 });
    stream(world);
    for (let step = 0; step < 3; step += 1) {
      await settled();
      world.upstream.exchanges[0]?.play();
    }
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(world.upstream.exchanges.length).toBe(1);
    await world.playOut();
    expect(world.leaks).toEqual([]);
  });

  it("waits for the second target as routing says, and does not rule it out", async () => {
    const world = new World({ providers, scriptOf: scriptOf("unary", [1]), hedgeAfterMs: 50, retryAfterMs: 100 });
    const { sink } = complete(world);
    await settled();
    vi.advanceTimersByTime(50);
    await world.playOut(); // The first breaks while the second waits.
    expect(world.upstream.exchanges.length).toBe(1);
    vi.advanceTimersByTime(100);
    await world.playOut();
    expect(sink.responses.length).toBe(1);
    expect(world.leaks).toEqual([]);
  });

  it("is not what counting tokens is", async () => {
    const world = new World({ providers, scriptOf: () => [], hedgeAfterMs: 50 });
    const sink = new RecordingAnswer<CountTokensResponse>();
    const handle = world.open("CountTokens").countTokens(create(CountTokensRequestSchema, { request }), sink);
    await settled();
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(world.upstream.exchanges.length).toBe(1);
    handle.cancel();
    await settled();
    expect(world.leaks).toEqual([]);
  });
});

describe("the caller's deadline", () => {
  const silent = { providers: [openAi], scriptOf: () => [] };

  it("ends an attempt, and says that it was the provider's time that ran out", async () => {
    const world = new World(silent);
    const { sink } = complete(world, 1_000);
    await settled();
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(sink.failures[0]?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
    expect(sink.failures[0]?.facts.metadata?.["phase"]).toBe("provider");
    expect(world.finals[0]?.outcome).toBe(Outcome.CANCELLED);
    expect(world.leaks).toEqual([]);
  });

  it("ends a stream wherever it is, once, and says how far it got and what it cost", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(8), fc.boolean(), async (steps, isSlow) => {
        const script = streamScript(anthropicWire.events(spoken)).slice(0, 8);
        const world = new World({ providers: [anthropic], scriptOf: () => script });
        const { sink } = stream(world, 1_000);
        sink.isFull = isSlow;
        for (let step = 0; step < steps; step += 1) {
          await settled();
          world.upstream.exchanges[0]?.play();
        }
        await settled();
        vi.advanceTimersByTime(1_000);
        expect(world.upstream.open.length).toBe(0);
        await settled();
        expect(sink.ends.length).toBe(1);
        expect(sink.failure?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
        expect(sink.failure?.facts.retryAfterMs).toBeUndefined();
        const said = sink.events.length;
        expect(sink.failure?.facts.streamFailure?.lastSequence).toBe(said === 0 ? undefined : said);
        if (said > 0) expect(sink.failure?.facts.streamFailure?.usage).toEqual(world.finals[0]?.usage);
        expectLaw14(world.finals[0]);
        expect(world.finals[0]?.usage?.inputTokens).toBeGreaterThan(0);
        expect(world.leaks).toEqual([]);
      }),
      { numRuns: 40 },
    );
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends a wait before any attempt, whatever is waited for", async () => {
    const never = new Promise<never>(() => {});
    const ledger = { start: () => never, progress: () => {}, finish: () => Promise.resolve() };
    const credentials = { credential: (): Promise<Credential> => never, refused: () => {} };
    for (const parts of [{ ledger }, { credentials }, { admission: { admit: (): Promise<Reservation> => never } }]) {
      const world = new World({ ...silent, parts });
      const { sink } = complete(world, 1_000);
      await settled();
      vi.advanceTimersByTime(1_000);
      await settled();
      expect(sink.failures[0]?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
      expect(sink.failures[0]?.facts.metadata?.["phase"]).toBe("gateway");
      expect(world.upstream.exchanges.length).toBe(0);
      expect(world.router.grants.every(({ ends }) => ends.length === 1)).toBe(true);
      expect(world.gateway.inFlight).toBe(0);
    }
  });

  it("gives back what was reserved too late", async () => {
    const { promise, resolve } = Promise.withResolvers<Reservation>();
    const [cancel, settle] = [vi.fn(), vi.fn()];
    const world = new World({ ...silent, parts: { admission: { admit: () => promise } } });
    const { sink } = complete(world, 1_000);
    vi.advanceTimersByTime(1_000);
    await settled();
    resolve({ reservedNanoUsd: 5n, cancel, settle });
    await settled();
    expect(sink.failures.length).toBe(1);
    expect(cancel).toHaveBeenCalledTimes(1);
    expect(settle).not.toHaveBeenCalled();
  });

  it("ends a wait between two attempts", async () => {
    const world = new World({ providers: [openAi, openAi], scriptOf: () => [broken], retryAfterMs: 5_000 });
    const { sink } = complete(world, 1_000);
    await world.playOut();
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(sink.failures[0]?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
    expect(world.router.grants.map(({ ends }) => ends)).toEqual([["failed"], ["cancelled"]]);
    expect(world.leaks).toEqual([]);
  });

  it("leaves no timer behind when the call ends before it", async () => {
    const world = new World({ providers: [openAi], scriptOf: () => wholeScript(openAiWire.whole(spoken)) });
    complete(world, 60_000);
    await world.playOut();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("a call that ends badly", () => {
  it("is written down once when its end cannot be recorded, and its caller is told", async () => {
    const finish = vi.fn(() =>
      Promise.reject(new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "full", { retryAfterMs: 1 })),
    );
    const ledger = { start: () => Promise.resolve(), progress: () => {}, finish };
    for (const mode of ["unary", "stream"] as const) {
      finish.mockClear();
      const script = mode === "unary" ? wholeScript(openAiWire.whole(spoken)) : streamScript(openAiWire.events(spoken));
      const world = new World({ providers: [openAi], scriptOf: () => script, parts: { ledger } });
      const { sink } = mode === "unary" ? complete(world) : stream(world);
      await world.playOut();
      const failure = sink instanceof RecordingStream ? sink.failure : sink.failures[0];
      expect(failure?.reason).toBe(ErrorReason.GATEWAY_OVERLOADED);
      expect(finish).toHaveBeenCalledTimes(1);
      expect([world.reserved, world.settled, world.observed]).toEqual([1, 1, 1]);
    }
  });

  it("frees its target when its stream broke after content", async () => {
    const events = openAiWire.events(spoken);
    const world = new World({
      providers: [openAi],
      scriptOf: () => [...streamScript(events.slice(0, 3)).slice(0, -1), broken],
    });
    const { sink } = stream(world);
    await world.playOut();
    expect(sink.failure?.reason).toBe(ErrorReason.STREAM_INTERRUPTED);
    expect(world.router.grants.map(({ ends }) => ends)).toEqual([["failed"]]);
    expect(world.leaks).toEqual([]);
  });

  it("costs nothing when the provider refused or was not reached, and its input when it was cut off at work", async () => {
    const unreached = new ProviderFailure("timeout", "no connection within the connect time-out");
    const scripts: readonly (readonly [readonly ScriptStep[], boolean])[] = [
      [[{ kind: "failure", failure: unreached }], false],
      [[{ kind: "start", status: 429 }, { kind: "end" }], false],
      [[{ kind: "start", status: 503 }], false],
      [[{ kind: "start", status: 200 }, broken], true],
      [[{ kind: "start", status: 200 }], true],
      [[], true],
    ];
    for (const [script, consumes] of scripts) {
      for (const call of [complete, stream]) {
        const world = new World({ providers: [openAi], scriptOf: () => script });
        call(world);
        await world.playOut();
        vi.advanceTimersByTime(600_000);
        await settled();
        expect((world.finals[0]?.usage?.inputTokens ?? 0) > 0).toBe(consumes);
        expect(world.leaks).toEqual([]);
      }
    }
  });
});

describe("a unary answer", () => {
  it("has the provider's own words when they were asked for, and a stream has not", async () => {
    const asking = create(CompleteRequestSchema, { ...request, include: [IncludeOption.RAW_RESPONSE] });
    const bytes = openAiWire.whole(spoken);
    const world = new World({ providers: [openAi], scriptOf: () => wholeScript(bytes) });
    const sink = new RecordingAnswer<CompleteResponse>();
    world.open("Complete").complete(asking, sink);
    await world.playOut();
    expect(sink.responses[0]?.rawResponseJson).toBe(Buffer.from(bytes).toString("utf8"));
    const streaming = new World({ providers: [openAi], scriptOf: () => streamScript(openAiWire.events(spoken)) });
    const heard = new RecordingStream();
    const start = { case: "request", value: asking } as const;
    streaming.open("StreamComplete").streamComplete(create(StreamCompleteRequestSchema, { start }), heard);
    await streaming.playOut();
    expect(foldHeard(heard.heard).response?.rawResponseJson).toBe("");
  });
});

describe("a call that never begins", () => {
  it("has its event and is gone when its connection closed", async () => {
    const world = new World({ providers: [openAi], scriptOf: () => [] });
    await world.open("Complete").reject(new CallFailure(ErrorReason.CANCELLED, "the caller has gone"));
    await settled();
    expect(world.finals.map(({ outcome }) => outcome)).toEqual([Outcome.CANCELLED]);
    expect(world.leaks).toEqual([]);
  });

  it("ends at its deadline when its message does not arrive, and reserves nothing when it arrives too late", async () => {
    const world = new World({ providers: [openAi], scriptOf: () => [] });
    const opened = world.open("Complete", 1_000);
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(world.finals.map(({ errorReason }) => errorReason)).toEqual([ErrorReason.DEADLINE_EXCEEDED]);
    const sink = new RecordingAnswer<CompleteResponse>();
    opened.complete(request, sink);
    await settled();
    expect(sink.failures[0]?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
    expect(world.finals.length).toBe(1);
    expect(world.leaks).toEqual([]);
  });
});
