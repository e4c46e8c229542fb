// The laws of a stream, over scripted providers and real adapters.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  CompleteRequestSchema,
  type CompleteResponse,
  ErrorReason,
  Outcome,
  RecoveryMode,
  Role,
  StreamCompleteRequestSchema,
  type StreamOptions,
  StreamOptionsSchema,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { sumUsage } from "../metering/sum-usage.ts";
import { createAnthropicProvider } from "../providers/anthropic/index.ts";
import { createOpenAiProvider } from "../providers/openai/index.ts";
import { cuttings } from "../wire/cuttings.ts";
import {
  anthropicWire,
  type ChatAnswer,
  openAiWire,
  streamScript,
  type Wire,
  wholeScript,
} from "./testing/chat-answers.ts";
import { foldHeard, type Heard, RecordingAnswer, RecordingStream } from "./testing/recording-sinks.ts";
import type { ScriptStep } from "./testing/scripted-upstream.ts";
import { World } from "./testing/world.ts";

const openAi = { provider: createOpenAiProvider({ id: "openai", kind: "openai" }), wire: openAiWire };
const anthropic = { provider: createAnthropicProvider({ id: "claude", kind: "anthropic" }), wire: anthropicWire };
const speakers = fc.constantFrom(openAi, anthropic);

const piece = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const answers: fc.Arbitrary<ChatAnswer> = fc.record({
  text: fc.array(piece, { minLength: 1, maxLength: 6 }),
  toolCall: fc.option(
    fc.record({ name: fc.constant("find"), json: fc.constantFrom(['{"q":', '"ü"', "}"], ['{"q":"x"}']) }),
    { nil: undefined },
  ),
});
const recoveries = fc.constantFrom(RecoveryMode.FAIL, RecoveryMode.CONTINUE, RecoveryMode.RESTART);

function request(requestId = "") {
  return create(CompleteRequestSchema, {
    model: "m",
    requestId,
    messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Say something." } } }] }],
  });
}

function streamRequest(options: Partial<Omit<StreamOptions, "$typeName">> = {}, requestId = "") {
  return create(StreamCompleteRequestSchema, {
    start: { case: "request", value: request(requestId) },
    options: create(StreamOptionsSchema, options),
  });
}

/** What the contract lets differ between two calls that are answered alike. */
function comparable(response: CompleteResponse | undefined) {
  if (response === undefined) return undefined;
  const { message, finishReason, providerFinishReason, stopSequence, usage, cost, warnings, safetyFindings } = response;
  const attempts = response.attempts.map(({ outcome, responseModel, usage: own }) => ({ outcome, responseModel, own }));
  return { message, finishReason, providerFinishReason, stopSequence, usage, cost, warnings, safetyFindings, attempts };
}

/** Laws 6 to 8, and that every part is ended once. */
function expectOrder(stream: RecordingStream, recovery: RecoveryMode = RecoveryMode.FAIL): void {
  const { events } = stream;
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
  if (events.length > 0) expect(events[0]?.event.kind).toBe("started");
  expect(events.filter(({ event }) => event.kind === "started").length).toBeLessThanOrEqual(1);
  const completed = events.findIndex(({ event }) => event.kind === "completed");
  expect(completed === -1 ? undefined : completed).toBe(stream.ends[0] === "ok" ? events.length - 1 : undefined);
  if (recovery !== RecoveryMode.RESTART) expect(events.some(({ event }) => event.kind === "parts-reset")).toBe(false);
  expectParts(events, completed !== -1);
}

function expectParts(events: readonly Heard[], isComplete: boolean): void {
  let open = new Set<number>();
  for (const { event } of events) {
    if (event.kind === "part-start") open.add(event.index);
    else if (event.kind === "parts-reset") open = new Set();
    else if ("index" in event) expect(open.has(event.index), `${event.kind} of a part that is not open`).toBe(true);
    if (event.kind === "part-end") open.delete(event.index);
    if (event.kind === "text-delta" || event.kind === "reasoning-delta") expect(event.text.isWellFormed()).toBe(true);
  }
  if (isComplete) expect([...open]).toEqual([]);
}

/** Law 14, and that nothing is left of the call. */
function expectAccount(world: World, outcome?: Outcome): void {
  expect(world.leaks).toEqual([]);
  for (const event of world.finals) {
    expect(event.usage).toEqual(sumUsage(event.attempts.map(({ usage }) => usage)));
    expect(event.cost?.totalNanoUsd ?? 0n).toBe(event.attempts.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0n));
    const served = event.attempts.filter(({ outcome: one }) => one === AttemptOutcome.SERVED).length;
    if (event.outcome === Outcome.SUCCEEDED) expect(served).toBe(1);
    expect(event.attempts.every(({ outcome: one }) => one !== AttemptOutcome.UNSPECIFIED)).toBe(true);
    if (outcome !== undefined) expect(event.outcome).toBe(outcome);
  }
}

async function unaryAnswer(wire: Wire, provider: typeof openAi.provider, answer: ChatAnswer) {
  const world = new World({ providers: [provider], scriptOf: () => wholeScript(wire.whole(answer)) });
  const sink = new RecordingAnswer<CompleteResponse>();
  world.open("Complete").complete(request(), sink);
  await world.playOut();
  expect(sink.ends).toBe(1);
  expectAccount(world, Outcome.SUCCEEDED);
  return sink.responses[0];
}

/** A provider that breaks off after so many events, in one of the ways in which providers do. */
function brokenScript(
  events: readonly string[],
  after: number,
  way: "cut" | "reset" | "garbage",
): readonly ScriptStep[] {
  const begun = streamScript(events.slice(0, after)).slice(0, -1);
  if (way === "cut") return [...begun, { kind: "end" }];
  if (way === "reset") {
    return [...begun, { kind: "failure", failure: new ProviderFailure("interrupted", "the connection broke") }];
  }
  return [...begun, { kind: "data", bytes: Buffer.from("data: {no json\n\n") }, { kind: "end" }];
}

const ways = fc.constantFrom("cut" as const, "reset" as const, "garbage" as const);

describe("a stream", () => {
  it("folds to the unary answer, however its bytes are cut and its deltas merged", async () => {
    const cases = fc.tuple(speakers, answers, fc.boolean()).chain(([speaker, answer, merges]) =>
      fc.record({
        speaker: fc.constant(speaker),
        answer: fc.constant(answer),
        merges: fc.constant(merges),
        pieces: cuttings(Buffer.from(speaker.wire.events(answer).join(""))),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ speaker, answer, merges, pieces }) => {
        const whole = await unaryAnswer(speaker.wire, speaker.provider, answer);
        const world = new World({ providers: [speaker.provider], scriptOf: () => streamScript(pieces) });
        const sink = new RecordingStream();
        const coalesceWindow = { $typeName: "google.protobuf.Duration", seconds: 5n, nanos: 0 } as const;
        world.open("StreamComplete").streamComplete(streamRequest(merges ? { coalesceWindow } : {}), sink);
        await world.playOut();
        expect(sink.ends).toEqual(["ok"]);
        expectOrder(sink);
        expectAccount(world, Outcome.SUCCEEDED);
        expect(comparable(foldHeard(sink.heard).response)).toEqual(comparable(whole));
      }),
      { numRuns: 60 },
    );
  });

  it("repeats its parts at the end when asked, and they are what the events fold to", async () => {
    await fc.assert(
      fc.asyncProperty(speakers, answers, async ({ provider, wire }, answer) => {
        const world = new World({ providers: [provider], scriptOf: () => streamScript(wire.events(answer)) });
        const sink = new RecordingStream();
        world.open("StreamComplete").streamComplete(streamRequest({ repeatPartsAtEnd: true }), sink);
        await world.playOut();
        const last = sink.heard.at(-1)?.event;
        if (last?.kind !== "completed") throw new Error("no end");
        expect(last.response.message?.parts).toEqual(foldHeard(sink.heard).parts);
      }),
      { numRuns: 20 },
    );
  });

  it("ends once with one event, wherever its caller goes away, and the provider's connection is closed", async () => {
    await fc.assert(
      fc.asyncProperty(speakers, answers, fc.nat(14), async ({ provider, wire }, answer, at) => {
        const world = new World({ providers: [provider], scriptOf: () => streamScript(wire.events(answer)) });
        const sink = new RecordingStream();
        let heardAfter = 0;
        let isGone = false;
        const handle = world.open("StreamComplete").streamComplete(streamRequest(), sink);
        sink.onEvent = () => {
          if (isGone) heardAfter += 1;
          if (sink.heard.length !== at || isGone) return;
          isGone = true;
          handle.cancel();
        };
        if (at === 0) {
          isGone = true;
          handle.cancel();
        }
        await world.playOut();
        expect(heardAfter).toBe(0);
        expect(world.finals.length).toBe(1);
        expectAccount(world);
        expect(sink.ends.length).toBe(isGone ? 0 : 1);
        const [event] = world.finals;
        if (!isGone || event?.outcome !== Outcome.CANCELLED) return;
        expect(event.errorReason).toBe(ErrorReason.CANCELLED);
        if (event.attempts.length > 0) expect(event.usage?.inputTokens).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  });

  it("recovers from a break at any event only as its caller allowed, and ends once", async () => {
    const cases = fc.record({
      first: speakers,
      second: speakers,
      answer: answers,
      other: answers,
      after: fc.nat(12),
      way: ways,
      recovery: recoveries,
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ first, second, answer, other, after, way, recovery }) => {
        const events = first.wire.events(answer);
        const breaksAfter = Math.min(after, events.length - 2);
        const world = new World({
          providers: [first.provider, second.provider],
          scriptOf: (exchange) =>
            exchange === 0 ? brokenScript(events, breaksAfter, way) : streamScript(second.wire.events(other)),
        });
        const sink = new RecordingStream();
        world.open("StreamComplete").streamComplete(streamRequest({ recovery, repeatPartsAtEnd: true }), sink);
        await world.playOut();
        expect(sink.ends.length).toBe(1);
        expect(world.finals.length).toBe(1);
        expectOrder(sink, recovery);
        expectAccount(world);
        const { failure } = sink;
        if (failure === undefined) {
          const last = sink.heard.at(-1)?.event;
          expect(last?.kind === "completed" && last.response.message?.parts).toEqual(foldHeard(sink.heard).parts);
        } else if (sink.events.length > 1) {
          expect(failure.reason).toBe(ErrorReason.STREAM_INTERRUPTED);
          expect(failure.facts.retryAfterMs).toBeDefined();
          expect(failure.facts.streamFailure?.lastSequence).toBe(sink.events.length);
          expect(failure.facts.streamFailure?.usage).toEqual(world.finals[0]?.usage);
          expect(recovery).not.toBe(RecoveryMode.RESTART);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("moves on unseen when a provider breaks before its first content", async () => {
    const events = anthropicWire.events({ text: ["one"] });
    const world = new World({
      providers: [anthropic.provider, openAi.provider],
      scriptOf: (exchange) =>
        exchange === 0
          ? brokenScript(events, 2, "reset") // After content_block_start.
          : streamScript(openAiWire.events({ text: ["two"] })),
    });
    const sink = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest(), sink);
    await world.playOut();
    expect(sink.ends).toEqual(["ok"]);
    expectOrder(sink);
    expect(foldHeard(sink.heard).parts[0]?.content).toMatchObject({ case: "text", value: { text: "two" } });
    expectAccount(world, Outcome.SUCCEEDED);
  });

  it("keeps what a caller has when a restart finds nobody to take over", async () => {
    const events = openAiWire.events({ text: ["one ", "two"] });
    const world = new World({
      providers: [openAi.provider, openAi.provider],
      scriptOf: (exchange) => brokenScript(events, exchange === 0 ? 3 : 1, "reset"),
    });
    const sink = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest({ recovery: RecoveryMode.RESTART }), sink);
    await world.playOut();
    expect(sink.events.some(({ event }) => event.kind === "parts-reset")).toBe(false);
    expect(sink.failure?.reason).toBe(ErrorReason.STREAM_INTERRUPTED);
    expectAccount(world, Outcome.INTERRUPTED);
  });

  it("says in a reset which attempt took over", async () => {
    const world = new World({
      providers: [openAi.provider, openAi.provider, anthropic.provider],
      scriptOf: (exchange) =>
        exchange < 2
          ? brokenScript(openAiWire.events({ text: ["one ", "two"] }), exchange === 0 ? 3 : 1, "reset")
          : streamScript(anthropicWire.events({ text: ["three"] })),
    });
    const sink = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest({ recovery: RecoveryMode.RESTART }), sink);
    await world.playOut();
    const resets = sink.events.filter(({ event }) => event.kind === "parts-reset");
    expect(resets.map(({ event }) => event)).toEqual([{ kind: "parts-reset", keepParts: 0, attemptNumber: 3 }]);
    expect(foldHeard(sink.heard).parts[0]?.content).toMatchObject({ case: "text", value: { text: "three" } });
    expectAccount(world, Outcome.SUCCEEDED);
  });

  it("does not call it a break that the end of an answer could not be recorded, after another one took over", async () => {
    const full = new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "full", { retryAfterMs: 1 });
    const ledger = { start: () => Promise.resolve(), progress: () => {}, finish: () => Promise.reject(full) };
    const world = new World({
      providers: [openAi.provider, anthropic.provider],
      parts: { ledger },
      scriptOf: (exchange) =>
        exchange === 0
          ? brokenScript(openAiWire.events({ text: ["one ", "two"] }), 3, "reset")
          : streamScript(anthropicWire.events({ text: ["three"] })),
    });
    const sink = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest({ recovery: RecoveryMode.RESTART }), sink);
    await world.playOut();
    expect(sink.failure?.reason).toBe(ErrorReason.GATEWAY_OVERLOADED);
  });

  it("does not grow a part that it said has ended when another target goes on", async () => {
    const events = anthropicWire.events({ text: ["one ", "two"] });
    const world = new World({
      providers: [anthropic.provider, anthropic.provider],
      scriptOf: (exchange) =>
        exchange === 0
          ? brokenScript(events, 5, "reset") // After content_block_stop.
          : streamScript(anthropicWire.events({ text: [" three"] })),
    });
    const sink = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest({ recovery: RecoveryMode.CONTINUE }), sink);
    await world.playOut();
    expect(sink.ends).toEqual(["ok"]);
    expectOrder(sink);
    expect(foldHeard(sink.heard).parts.length).toBe(2);
  });

  it("ends the parts that a broken attempt left open, also when the next one has no more to say in them", async () => {
    const world = new World({
      providers: [anthropic.provider, anthropic.provider],
      scriptOf: (exchange) =>
        exchange === 0
          ? brokenScript(anthropicWire.events({ text: ["one ", "two"] }), 3, "reset")
          : streamScript(anthropicWire.events({ text: [], toolCall: { name: "find", json: ["{}"] } })),
    });
    const sink = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest({ recovery: RecoveryMode.CONTINUE }), sink);
    await world.playOut();
    expect(sink.ends).toEqual(["ok"]);
    expectOrder(sink);
    expect(foldHeard(sink.heard).parts.map(({ content }) => content.case)).toEqual(["text", "toolCall"]);
  });

  it("waits for a slow reader, and loses nothing", async () => {
    const world = new World({
      providers: [openAi.provider],
      scriptOf: () => streamScript(openAiWire.events({ text: ["a", "b", "c", "d"] })),
    });
    const sink = new RecordingStream();
    sink.isFull = true;
    const handle = world.open("StreamComplete").streamComplete(streamRequest(), sink);
    await world.playOut();
    expect(sink.ends).toEqual([]);
    const before = sink.heard.length;
    await world.playOut();
    expect(sink.heard.length).toBe(before);
    sink.isFull = false;
    handle.resume();
    await world.playOut();
    expect(sink.ends).toEqual(["ok"]);
    expectOrder(sink);
    expect(foldHeard(sink.heard).parts[0]?.content).toMatchObject({ value: { text: "abcd" } });
  });
});
