import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CompleteResponseSchema, PartSchema, TokenLogprobSchema } from "../contract.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import { StreamWriter } from "./stream-writer.ts";
import { foldHeard, RecordingStream } from "./testing/recording-sinks.ts";

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const response = create(CompleteResponseSchema, { message: {} });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function open(coalesceMs = 0, heartbeatMs = 1_000) {
  const sink = new RecordingStream();
  const writer = new StreamWriter(sink, clock, {
    heartbeatMs,
    coalesceMs,
    hiddenOutputTokens: () => undefined,
    started: () => ({ kind: "started", responseId: "r", createdAtMs: 0, model: "m" }),
  });
  writer.open();
  return { sink, writer };
}

function begin(index: number, kind: "text" | "reasoning" | "toolCall"): StreamEvent {
  const content =
    kind === "toolCall"
      ? ({ case: kind, value: { callId: "c", name: "n" } } as const)
      : ({ case: kind, value: { text: "" } } as const);
  return { kind: "part-start", index, part: create(PartSchema, { content }) };
}

const preamble: readonly StreamEvent[] = [
  begin(0, "text"),
  begin(1, "reasoning"),
  begin(2, "toolCall"),
  begin(3, "text"),
];

const text = fc.string({ minLength: 1, maxLength: 8 });
const deltas: fc.Arbitrary<StreamEvent> = fc.oneof(
  fc.record({ kind: fc.constant("text-delta" as const), index: fc.constantFrom(0, 3), text }),
  fc.record({
    kind: fc.constant("text-delta" as const),
    index: fc.constantFrom(0, 3),
    text,
    logprobs: fc.array(fc.constant(create(TokenLogprobSchema, { token: "t", logprob: -1 })), { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant("reasoning-delta" as const), index: fc.constant(1), text }),
  fc.record({ kind: fc.constant("arguments-delta" as const), index: fc.constant(2), json: text }),
);
type Doing = StreamEvent | "flush" | { readonly waitMs: number };

const doings: fc.Arbitrary<readonly Doing[]> = fc.array(
  fc.oneof(deltas, fc.constant("flush" as const), fc.record({ waitMs: fc.integer({ min: 1, max: 3_000 }) })),
  { maxLength: 60 },
);

function isEvent(doing: Doing): doing is StreamEvent {
  return typeof doing === "object" && "kind" in doing;
}

function act(writer: StreamWriter, doing: Doing): void {
  if (doing === "flush") writer.flush();
  else if (isEvent(doing)) writer.push(doing);
  else vi.advanceTimersByTime(doing.waitMs);
}

function expectNumbered(sink: RecordingStream): void {
  let last = 0;
  for (const { sequence, event } of sink.heard) {
    expect(sequence).toBe(event.kind === "heartbeat" ? last : last + 1);
    last = sequence;
  }
}

function foldOf(sink: RecordingStream) {
  return foldHeard(sink.heard).parts;
}

describe("the writer of a stream", () => {
  it("numbers events 1, 2, 3 without a gap, heartbeats repeat, and merging changes nothing that is folded", () => {
    fc.assert(
      fc.property(doings, fc.constantFrom(0, 50, 5_000), (script, coalesceMs) => {
        const { sink, writer } = open(coalesceMs);
        const plain = open();
        for (const event of preamble) {
          writer.push(event);
          plain.writer.push(event);
        }
        for (const doing of script) {
          act(writer, doing);
          if (isEvent(doing)) plain.writer.push(doing);
        }
        writer.succeed(response);
        plain.writer.succeed(response);
        expectNumbered(sink);
        expect(sink.heard[0]?.event.kind).toBe("started");
        expect(sink.heard.at(-1)?.event.kind).toBe("completed");
        expect(foldOf(sink)).toEqual(foldOf(plain.sink));
        expect(vi.getTimerCount()).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it("breaks a silence with the start of the stream, and then with heartbeats", () => {
    const { sink } = open(0, 1_000);
    vi.advanceTimersByTime(3_000);
    expect(sink.heard.map(({ sequence, event }) => [sequence, event.kind])).toEqual([
      [1, "started"],
      [1, "heartbeat"],
      [1, "heartbeat"],
    ]);
  });

  it("beats no heart while it speaks, nor for a caller who reads slowly", () => {
    const { sink, writer } = open(0, 1_000);
    writer.push(begin(0, "text"));
    for (let beat = 0; beat < 10; beat += 1) {
      vi.advanceTimersByTime(900);
      writer.push({ kind: "text-delta", index: 0, text: "x" });
      writer.flush();
    }
    sink.isFull = true;
    writer.flush();
    vi.advanceTimersByTime(10_000);
    expect(sink.heard.some(({ event }) => event.kind === "heartbeat")).toBe(false);
    sink.isFull = false;
    writer.drained();
    vi.advanceTimersByTime(1_100);
    expect(sink.heard.at(-1)?.event.kind).toBe("heartbeat");
  });

  it("merges within the window, and sends at its end", () => {
    const { sink, writer } = open(50);
    writer.push(begin(0, "text"));
    for (const letter of "abc") {
      writer.push({ kind: "text-delta", index: 0, text: letter });
      writer.flush();
    }
    expect(sink.heard).toEqual([]);
    vi.advanceTimersByTime(50);
    expect(sink.heard.map(({ event }) => event.kind)).toEqual(["started", "part-start", "text-delta"]);
    expect(sink.heard.at(-1)?.event).toMatchObject({ text: "abc" });
  });

  it("does not hold more than its bound, however long the window", () => {
    const { sink, writer } = open(5_000);
    writer.push(begin(0, "text"));
    for (let piece = 0; piece < 20; piece += 1) {
      writer.push({ kind: "text-delta", index: 0, text: "x".repeat(8 << 10) });
      writer.flush();
    }
    const sent = foldOf(sink)[0]?.content;
    expect(sent?.case === "text" && sent.value.text.length).toBeGreaterThan(64 << 10);
  });

  it("sends what was held before it fails, and nothing after", () => {
    const { sink, writer } = open(5_000);
    writer.push(begin(0, "text"));
    writer.push({ kind: "text-delta", index: 0, text: "last words" });
    writer.flush();
    writer.close();
    expect(writer.sequence).toBe(3);
    vi.advanceTimersByTime(60_000);
    expect(sink.heard.length).toBe(3);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("says nothing to a caller who has gone", () => {
    const { sink, writer } = open(50);
    writer.push(begin(0, "text"));
    writer.flush();
    writer.mute();
    vi.advanceTimersByTime(60_000);
    writer.succeed(response);
    expect(sink.heard).toEqual([]);
    expect(sink.ends).toEqual([]);
  });
});
