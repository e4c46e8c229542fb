import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CompleteResponseSchema, ErrorReason, Role } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { RecordingStream } from "../testing/recording-sinks.ts";
import { abandoned, type ReplayEnd, type ReplayEntry, type ReplayLimits, ReplayStore } from "./replay-store.ts";

const limits: ReplayLimits = {
  entriesMax: 5,
  charactersMax: 20_000,
  charactersPerStreamMax: 6_000,
  rememberMs: 10_000,
  resumeWindowMs: 1_000,
};
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

let calls = 0;
function begin(store: ReplayStore, changes: Partial<Parameters<ReplayStore["begin"]>[0]> = {}): ReplayEntry {
  calls += 1;
  const call = {
    projectId: "p",
    requestId: "",
    responseId: `r${calls}`,
    digest: "d",
    streaming: true,
    resumable: true,
  };
  return store.begin({ ...call, ...changes });
}

function answer(text: string): ReplayEnd {
  const parts = [{ content: { case: "text" as const, value: { text } } }];
  return {
    kind: "response",
    response: create(CompleteResponseSchema, { message: { role: Role.ASSISTANT, parts } }),
  };
}

function failure(reason: ErrorReason, retryAfterMs?: number): ReplayEnd {
  return { kind: "failure", failure: new CallFailure(reason, "it failed", { retryAfterMs }) };
}

function say(entry: ReplayEntry, sequence: number, text: string): void {
  entry.broadcast?.push(sequence, { kind: "text-delta", index: 0, text });
}

const sayMax = 3_000;

type Step =
  | { readonly do: "begin"; readonly streaming: boolean; readonly named: boolean }
  | { readonly do: "say" | "end" | "fail"; readonly which: number; readonly length: number }
  | { readonly do: "wait"; readonly ms: number };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("begin" as const), streaming: fc.boolean(), named: fc.boolean() }),
    fc.record({
      do: fc.constantFrom("say" as const, "say" as const, "end" as const, "fail" as const),
      which: fc.nat(30),
      length: fc.nat(sayMax),
    }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.nat(4_000) }),
  ),
  { maxLength: 80 },
);

/** A store with everything that ever began in it. */
class Life {
  readonly store = new ReplayStore(limits, clock);
  readonly entries: ReplayEntry[] = [];
  #sequence = 0;

  take(step: Step): void {
    if (step.do === "wait") vi.advanceTimersByTime(step.ms);
    else if (step.do === "begin") this.#begin(step.streaming, step.named);
    else this.#go(step.do, this.entries[step.which % Math.max(1, this.entries.length)], step.length);
  }

  #begin(streaming: boolean, named: boolean): void {
    this.entries.push(begin(this.store, { streaming, requestId: named ? `q${this.entries.length}` : "" }));
  }

  #go(what: "say" | "end" | "fail", entry: ReplayEntry | undefined, length: number): void {
    if (entry === undefined) return;
    this.#sequence += 1;
    if (what === "say") {
      say(entry, this.#sequence, "x".repeat(length));
      return;
    }
    const end = what === "fail" ? failure(ErrorReason.PROVIDER_OVERLOADED, 1) : answer("y".repeat(length * 3));
    this.store.ended(entry, end);
    this.store.ended(entry, end); // Only the first counts.
  }

  expectBounds(): void {
    const kept = this.entries.reduce(
      (sum, { characters, broadcast }) => sum + characters + (broadcast?.characters ?? 0),
      0,
    );
    expect(this.store.characters).toBe(kept);
    // A stream that runs keeps its last event, whatever its size.
    const running = this.entries.filter(({ end }) => end === undefined).length;
    expect(kept).toBeLessThanOrEqual(limits.charactersMax + running * (sayMax + 64));
    for (const { broadcast } of this.entries) {
      expect(broadcast?.characters ?? 0).toBeLessThanOrEqual(limits.charactersPerStreamMax);
    }
    const found = this.entries.filter(({ end, responseId }) => end && this.store.byResponseId("p", responseId));
    expect(found.length).toBeLessThanOrEqual(limits.entriesMax);
  }
}

describe("the replay store", () => {
  it("keeps no more than its limits, whatever happens, and accounts for what it keeps to the last character", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const life = new Life();
        for (const step of script) {
          life.take(step);
          life.expectBounds();
        }
      }),
      { numRuns: 200 },
    );
  });

  it("makes room behind a call that runs for ever", () => {
    const store = new ReplayStore(limits, clock);
    begin(store);
    const ended = Array.from({ length: 20 }, () => {
      const entry = begin(store);
      say(entry, 1, "x".repeat(2_500));
      store.ended(entry, answer("x".repeat(2_500)));
      return entry;
    });
    expect(store.characters).toBeLessThanOrEqual(limits.charactersMax);
    expect(store.byResponseId("p", ended[0]?.responseId ?? "")).toBeUndefined();
    expect(store.byResponseId("p", ended[19]?.responseId ?? "")).toBeDefined();
  });

  it("keeps within its bound what streams that all still run have said", () => {
    const store = new ReplayStore(limits, clock);
    const entries = Array.from({ length: 10 }, () => begin(store));
    for (let sequence = 1; sequence <= 40; sequence += 1) {
      for (const entry of entries) say(entry, sequence, "x".repeat(100));
    }
    expect(store.characters).toBeLessThanOrEqual(limits.charactersMax + 164);
    expect(entries.every(({ broadcast }) => broadcast?.reaches(40) === true)).toBe(true);
  });

  it("counts parts that come whole, however large", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store);
    const end = answer("x".repeat(5_000));
    if (end.kind !== "response") throw new Error("no response");
    const [part] = end.response.message?.parts ?? [];
    if (part === undefined) throw new Error("no part");
    entry.broadcast?.push(1, { kind: "part-start", index: 0, part });
    expect(entry.broadcast?.characters).toBeGreaterThan(5_000);
  });

  it("remembers an outcome for its time, and then no more", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store, { requestId: "a", streaming: false });
    store.ended(entry, answer("x"));
    vi.advanceTimersByTime(limits.rememberMs - 1);
    expect(store.byRequestId("p", "a")).toBe(entry);
    vi.advanceTimersByTime(1);
    expect(store.byRequestId("p", "a")).toBeUndefined();
    expect(store.characters).toBe(0);
  });

  it("forgets a failure that may be retried, and the deadline of the first caller, but no other failure", () => {
    const store = new ReplayStore(limits, clock);
    const endWith = (requestId: string, end: ReplayEnd) =>
      store.ended(begin(store, { requestId, streaming: false }), end);
    endWith("retryable", failure(ErrorReason.PROVIDER_OVERLOADED, 5));
    endWith("deadline", failure(ErrorReason.DEADLINE_EXCEEDED));
    endWith("final", failure(ErrorReason.CONTEXT_LENGTH_EXCEEDED));
    expect(store.byRequestId("p", "retryable")).toBeUndefined();
    expect(store.byRequestId("p", "deadline")).toBeUndefined();
    expect(store.byRequestId("p", "final")?.end?.kind).toBe("failure");
  });

  it("tells who joined that the first caller's time was over, not theirs", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store, { requestId: "a", streaming: false });
    const heard: ReplayEnd[] = [];
    store.wait(entry, (end) => heard.push(end));
    store.ended(entry, failure(ErrorReason.DEADLINE_EXCEEDED));
    expect(heard).toEqual([abandoned]);
  });

  it("lets go of the call once it has ended", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store, { requestId: "a" });
    const [stop, resume] = [vi.fn(), vi.fn()];
    entry.stop = stop;
    entry.resume = resume;
    store.ended(entry, answer("x"));
    expect(entry.stop).not.toBe(stop);
    expect(entry.resume).not.toBe(resume);
  });

  it("does not find a project's calls for another project", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store, { requestId: "a" });
    expect(store.byRequestId("other", "a")).toBeUndefined();
    expect(store.byResponseId("other", entry.responseId)).toBeUndefined();
  });

  it("leaves a later call its request id when the first one ends late", () => {
    const store = new ReplayStore(limits, clock);
    const first = begin(store, { requestId: "a" });
    const second = begin(store, { requestId: "a" });
    store.ended(first, failure(ErrorReason.PROVIDER_OVERLOADED, 1));
    expect(store.byRequestId("p", "a")).toBe(second);
  });

  it("stops a unary call when the last who wants it has gone, and not before", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store, { requestId: "a", streaming: false, resumable: false });
    entry.stop = vi.fn();
    const leave = store.wait(entry, () => {});
    store.disown(entry);
    expect(entry.stop).not.toHaveBeenCalled();
    leave();
    expect(entry.stop).toHaveBeenCalledTimes(1);
  });

  it("stops a stream at once when its last reader has gone, unless somebody waits for its end", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store, { resumable: false });
    entry.stop = vi.fn();
    const reader = new RecordingStream();
    store.follow(entry, reader, 0);
    const leave = store.wait(entry, () => {});
    entry.broadcast?.detach(reader);
    expect(entry.stop).not.toHaveBeenCalled();
    leave();
    expect(entry.stop).toHaveBeenCalledTimes(1);
  });

  it("gives a resumable stream its whole window each time that its reader goes away", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store);
    entry.stop = vi.fn();
    const reader = new RecordingStream();
    store.follow(entry, reader, 0);
    entry.broadcast?.detach(reader);
    vi.advanceTimersByTime(limits.resumeWindowMs - 1);
    store.follow(entry, reader, 0);
    vi.advanceTimersByTime(limits.resumeWindowMs);
    entry.broadcast?.detach(reader);
    vi.advanceTimersByTime(limits.resumeWindowMs - 1);
    expect(entry.stop).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(entry.stop).toHaveBeenCalledTimes(1);
  });

  it("reads the provider again when the reader that was slow has gone", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store);
    entry.resume = vi.fn();
    const slow = new RecordingStream();
    const quick = new RecordingStream();
    store.follow(entry, slow, 0);
    store.follow(entry, quick, 0);
    slow.isFull = true;
    say(entry, 1, "x");
    expect(entry.broadcast?.flush()).toBe(false);
    entry.broadcast?.detach(slow);
    expect(entry.resume).toHaveBeenCalledTimes(1);
    expect(entry.broadcast?.flush()).toBe(true);
  });

  it("ends every reader once, and hears nothing after the end", () => {
    const store = new ReplayStore(limits, clock);
    const entry = begin(store);
    const reader = new RecordingStream();
    store.follow(entry, reader, 0);
    entry.broadcast?.succeed();
    entry.broadcast?.fail(abandoned.failure);
    say(entry, 1, "x");
    expect(reader.ends).toEqual(["ok"]);
    expect(entry.broadcast?.reaches(1)).toBe(false);
  });
});
