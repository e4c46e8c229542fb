// Calls that read another call's answer: by their request id, or by a cursor.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  CacheStatus,
  CompleteRequestSchema,
  type CompleteResponse,
  ErrorReason,
  Outcome,
  Role,
  StreamCompleteRequestSchema,
} from "../contract.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { createOpenAiProvider } from "../providers/openai/index.ts";
import { defaultReplayLimits } from "./replay/replay-store.ts";
import { openAiWire, streamScript, wholeScript } from "./testing/chat-answers.ts";
import { foldHeard, RecordingAnswer, RecordingStream } from "./testing/recording-sinks.ts";
import type { ScriptStep } from "./testing/scripted-upstream.ts";
import { settled, World, type WorldOptions } from "./testing/world.ts";

const provider = createOpenAiProvider({ id: "openai", kind: "openai" });
const spoken = { text: ["one ", "two ", "three"] };
const whole = wholeScript(openAiWire.whole(spoken));
const streamed = streamScript(openAiWire.events(spoken));

function worldOf(script: readonly ScriptStep[], changes: Partial<WorldOptions> = {}): World {
  return new World({ providers: [provider], scriptOf: () => script, ...changes });
}

function request(requestId: string, text = "Say something.") {
  return create(CompleteRequestSchema, {
    model: "m",
    requestId,
    messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text } } }] }],
  });
}

function complete(world: World, requestId: string, timeoutMs?: number) {
  const sink = new RecordingAnswer<CompleteResponse>();
  const handle = world.open("Complete", timeoutMs).complete(request(requestId), sink);
  return { sink, handle };
}

function stream(world: World, requestId: string, resumable = false, timeoutMs?: number) {
  const sink = new RecordingStream();
  const start = { case: "request", value: request(requestId) } as const;
  const opened = world.open("StreamComplete", timeoutMs);
  const handle = opened.streamComplete(create(StreamCompleteRequestSchema, { start, options: { resumable } }), sink);
  return { sink, handle, responseId: opened.responseId };
}

function resume(world: World, responseId: string, afterSequence: number, timeoutMs?: number) {
  const sink = new RecordingStream();
  const start = { case: "resume", value: { responseId, afterSequence } } as const;
  const opened = world.open("StreamComplete", timeoutMs);
  const handle = opened.streamComplete(create(StreamCompleteRequestSchema, { start }), sink);
  return { sink, handle };
}

/** Plays so many steps of the first exchange. */
async function play(world: World, steps: number): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await settled();
    world.upstream.exchanges[0]?.play();
  }
  await settled();
}

function expectAnswered(sink: RecordingAnswer<CompleteResponse> | RecordingStream): void {
  const isStream = sink instanceof RecordingStream;
  const response = isStream ? foldHeard(sink.heard).response : sink.responses[0];
  expect(response?.message?.parts[0]?.content).toMatchObject({ case: "text", value: { text: "one two three" } });
  expect(response?.usage?.outputTokens).toBe(7);
  expect(isStream ? sink.ends.length : sink.ends).toBe(1);
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a call with a request id", () => {
  it("is one call at the provider, one event and one answer, however often and in whichever way it is made", async () => {
    const ways = fc.array(fc.constantFrom("complete" as const, "stream" as const), { minLength: 2, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(ways, fc.nat(8), async (made, steps) => {
        const world = worldOf(made[0] === "complete" ? whole : streamed);
        const sinks: (RecordingAnswer<CompleteResponse> | RecordingStream)[] = [];
        for (const way of made) {
          sinks.push(way === "complete" ? complete(world, "a").sink : stream(world, "a").sink);
          if (sinks.length === 1) await play(world, steps);
        }
        await world.playOut();
        expect(world.upstream.exchanges.length).toBe(1);
        expect(world.finals.length).toBe(1);
        expect(world.leaks).toEqual([]);
        sinks.forEach(expectAnswered);
      }),
      { numRuns: 60 },
    );
  });

  it("says of its answer that it is another call's", async () => {
    const world = worldOf(whole);
    complete(world, "a");
    const joined = complete(world, "a");
    await world.playOut();
    const late = complete(world, "a");
    const asStream = stream(world, "a");
    await settled();
    expect(foldHeard(asStream.sink.heard).response?.responseCacheStatus).toBe(CacheStatus.REPLAYED);
    expect(joined.sink.responses[0]?.responseCacheStatus).toBe(CacheStatus.COALESCED);
    expect(late.sink.responses[0]?.responseCacheStatus).toBe(CacheStatus.REPLAYED);
    expect(world.finals.length).toBe(1);
  });

  it("says so in a stream too, and leaves the first stream's answer as it is", async () => {
    const world = worldOf(streamed);
    const first = stream(world, "a");
    await play(world, 3);
    const joined = stream(world, "a");
    await world.playOut();
    const late = stream(world, "a");
    const statuses = [first, joined, late].map(({ sink }) => foldHeard(sink.heard).response?.responseCacheStatus);
    expect(statuses).toEqual([CacheStatus.UNSPECIFIED, CacheStatus.COALESCED, CacheStatus.REPLAYED]);
  });

  it("is refused with another payload", async () => {
    const world = worldOf(whole);
    complete(world, "a");
    const sink = new RecordingAnswer<CompleteResponse>();
    world.open("Complete").complete(request("a", "Something else."), sink);
    await world.playOut();
    expect(sink.failures[0]?.reason).toBe(ErrorReason.REQUEST_ID_REUSED);
    expect(world.leaks).toEqual([]);
  });

  it("is made again after a failure that may be retried", async () => {
    const failing: readonly ScriptStep[] = [
      { kind: "failure", failure: new ProviderFailure("unavailable", "no connection") },
    ];
    const world = worldOf([], { scriptOf: (exchange) => (exchange === 0 ? failing : whole) });
    const first = complete(world, "a");
    await world.playOut();
    expect(first.sink.failures[0]?.facts.retryAfterMs).toBeDefined();
    const second = complete(world, "a");
    await world.playOut();
    expect(second.sink.responses.length).toBe(1);
    expect(world.leaks).toEqual([]);
  });

  it("goes on for who joined it when its caller goes away, and ends when they go too", async () => {
    const world = worldOf(whole);
    const first = complete(world, "a");
    const joined = complete(world, "a");
    await settled();
    first.handle.cancel();
    expect(world.upstream.open.length).toBe(1);
    joined.handle.cancel();
    expect(world.upstream.open.length).toBe(0);
    await settled();
    expect([first.sink.ends, joined.sink.ends]).toEqual([0, 0]);
    expect(world.finals.map(({ outcome }) => outcome)).toEqual([Outcome.CANCELLED]);
    expect(world.leaks).toEqual([]);
  });

  it("keeps its outcome when its caller goes away while the end is being recorded", async () => {
    let record: () => void = () => {};
    const finish = () =>
      new Promise<void>((resolve) => {
        record = resolve;
      });
    const ledger = { start: () => Promise.resolve(), progress: () => {}, finish };
    const world = worldOf(streamed, { parts: { ledger } });
    const first = stream(world, "a");
    await world.playOut();
    first.handle.cancel();
    record();
    await settled();
    const second = complete(world, "a");
    await settled();
    expect(second.sink.responses[0]?.responseCacheStatus).toBe(CacheStatus.REPLAYED);
    expect(first.sink.ends).toEqual([]);
    expect(world.upstream.exchanges.length).toBe(1);
  });

  it("has a deadline of its own while it waits for another call's answer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const world = worldOf([]);
    const first = complete(world, "a");
    const joined = complete(world, "a", 1_000);
    const reading = stream(world, "a", false, 2_000);
    await settled();
    vi.advanceTimersByTime(1_000);
    expect(joined.sink.failures[0]?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
    vi.advanceTimersByTime(1_000);
    expect(reading.sink.failure?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
    expect(first.sink.ends).toBe(0);
    first.handle.cancel();
    await settled();
    expect(world.leaks).toEqual([]);
  });

  it("tells who joined to try again when the first caller's deadline ended it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const world = worldOf([]);
    const first = complete(world, "a", 1_000);
    const joined = complete(world, "a");
    await settled();
    vi.advanceTimersByTime(1_000);
    await settled();
    expect(first.sink.failures[0]?.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
    expect(joined.sink.failures[0]?.facts.retryAfterMs).toBe(0);
    expect(world.leaks).toEqual([]);
  });

  it("is refused, and ends, when its payload cannot be compared", async () => {
    const world = worldOf(whole);
    const sink = new RecordingAnswer<CompleteResponse>();
    const unequal = request("a");
    unequal.providerOptions = { openai: { x: Number.NaN } };
    world.open("Complete").complete(unequal, sink);
    await settled();
    expect(sink.failures[0]?.reason).toBe(ErrorReason.INVALID_REQUEST);
    expect(world.leaks).toEqual([]);
  });
});

describe("a resumable stream", () => {
  it("gives a cursor exactly what it missed, wherever the connection was lost and whenever it comes back", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(9), fc.nat(9), fc.nat(12), async (lostAfter, backAfter, k) => {
        const world = worldOf(streamed);
        const first = stream(world, "", true);
        await play(world, lostAfter);
        first.handle.cancel();
        await play(world, backAfter);
        const said = first.sink.events.length;
        const cursor = Math.min(k, said);
        const back = resume(world, first.responseId, cursor);
        const again = resume(world, first.responseId, 0);
        await world.playOut();
        expect(back.sink.ends).toEqual(["ok"]);
        const all = again.sink.events;
        expect([...all.slice(0, cursor), ...back.sink.events]).toEqual(all);
        expect(all.slice(0, said)).toEqual(first.sink.events);
        expect(world.finals.map(({ outcome }) => outcome)).toEqual([Outcome.SUCCEEDED]);
        expect(world.leaks).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it("is stopped when nobody comes back within the window, and billed", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    const world = worldOf(streamed.slice(0, 4), {
      replayLimits: { ...defaultReplayLimits, resumeWindowMs: 10_000 },
    });
    const first = stream(world, "", true);
    await world.playOut();
    first.handle.cancel();
    vi.advanceTimersByTime(9_999);
    expect(world.upstream.open.length).toBe(1);
    vi.advanceTimersByTime(1);
    await settled();
    expect(world.finals.map(({ outcome }) => outcome)).toEqual([Outcome.CANCELLED]);
    expect(world.finals[0]?.usage?.inputTokens).toBeGreaterThan(0);
    expect(world.leaks).toEqual([]);
  });

  it("has no cursor ahead of it, and none of another life", async () => {
    const world = worldOf(streamed);
    const first = stream(world, "", true);
    await world.playOut();
    const ahead = resume(world, first.responseId, 99);
    const unknown = resume(world, "another", 0);
    await settled();
    expect(ahead.sink.failure?.reason).toBe(ErrorReason.CURSOR_EXPIRED);
    expect(unknown.sink.failure?.reason).toBe(ErrorReason.CURSOR_EXPIRED);
    expect(world.leaks).toEqual([]);
  });

  it("keeps only so much: an old cursor has expired, a late one goes on", async () => {
    const world = worldOf(streamed, { replayLimits: { ...defaultReplayLimits, charactersPerStreamMax: 200 } });
    const first = stream(world, "", true);
    await play(world, 5);
    first.handle.cancel();
    const last = first.sink.events.length;
    const old = resume(world, first.responseId, 0);
    const late = resume(world, first.responseId, last);
    await world.playOut();
    expect(old.sink.failure?.reason).toBe(ErrorReason.CURSOR_EXPIRED);
    expect(late.sink.ends).toEqual(["ok"]);
    expect(late.sink.events[0]?.sequence).toBe(last + 1);
    expect(world.leaks).toEqual([]);
  });

  it("fails for who comes back as it failed for who stayed", async () => {
    const failure = new ProviderFailure("interrupted", "the connection broke");
    const world = worldOf([...streamed.slice(0, 4), { kind: "failure", failure }]);
    const first = stream(world, "", true);
    await world.playOut();
    const back = resume(world, first.responseId, 1);
    expect(first.sink.failure?.reason).toBe(ErrorReason.STREAM_INTERRUPTED);
    expect(back.sink.failure).toBe(first.sink.failure);
    expect(back.sink.events).toEqual(first.sink.events.slice(1));
    expect(world.finals.map(({ outcome }) => outcome)).toEqual([Outcome.INTERRUPTED]);
    expect(world.leaks).toEqual([]);
  });
});
