// Providers that break: whatever comes instead of an answer, it is a typed failure or an answer with its laws kept; never
// another exception, never a clean end for a cut answer, never an unbounded buffer.
import { toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FinishReason, PartSchema, UsageSchema, WarningSchema } from "../../src/contract.ts";
import type { Completion } from "../../src/domain/completion.ts";
import { foldEvent } from "../../src/domain/fold.ts";
import { ProviderFailure } from "../../src/domain/provider-failure.ts";
import type { StreamEvent } from "../../src/domain/stream-event.ts";
import type { ChatOperation, ProviderSettings } from "../../src/providers/provider.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { createDecoder } from "../../src/wire/framings.ts";
import type { WireEvent } from "../../src/wire/wire-event.ts";
import { type CorpusCase, readBody, readCorpus, readHeaders } from "../corpus/corpus.ts";
import { failureInside } from "../corpus/expected-failures.ts";
import { oracleByProtocol } from "../corpus/oracles/oracle.ts";
import { settingsOfCase } from "../corpus/provider-of-case.ts";
import { chatOf, readContext, readStream } from "../corpus/read-case.ts";
import { expectStreamLaws, expectUsageLaws } from "../corpus/stream-laws.ts";
import { mutate, oddValues, pathsOf } from "./json-mutants.ts";

type Sample = {
  readonly name: string;
  readonly one: CorpusCase;
  readonly chat: ChatOperation;
  readonly body: Uint8Array;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const lineBreak = encoder.encode("\n");

const samples = smallestOfEach();
const wholes = samples.filter(({ one }) => one.bodyKind === "json");
const streams = samples.filter(({ one }) => one.bodyKind !== "json");

/** Bodies up to this length are cut at every byte; of longer ones this many places are tried. */
const cutsMax = 700;

describe("a whole answer", () => {
  it.each(wholes)("$name: cut at any byte it is no answer", ({ one, chat, body }) => {
    for (const place of places(body)) {
      const rest = decoder.decode(body.subarray(place)).trim();
      if (rest !== "") expectFailure(() => readWhole(chat, one, body.subarray(0, place)), `cut at ${place}`);
    }
  });

  it.each(wholes)("$name: anything else under status 200 is a failure", ({ one, chat }) => {
    for (const text of notAnswers) expectFailure(() => readWhole(chat, one, encoder.encode(text)), text);
  });

  it.each(wholes)("$name: any value may be odd", ({ one, chat, body }) => {
    const json: unknown = JSON.parse(decoder.decode(body));
    for (const path of pathsOf(json).slice(0, pathsMax)) {
      for (const value of oddValues) {
        const mutant = encoder.encode(mutate(json, { path, value }));
        expectSound(() => readWhole(chat, one, mutant), `${path.join(".")} = ${String(value).slice(0, 40)}`);
      }
    }
  });
});

describe("a stream", () => {
  it.each(streams)("$name: cut at any byte it never looks like a clean end", ({ one, chat, body }) => {
    for (const place of places(body)) {
      const part = body.slice(0, place);
      const outcome = outcomeOf(() => readStream(chat, [part]));
      if (outcome instanceof ProviderFailure) continue;
      // A clean end is right where the provider's own end is in it, be it without its line break: only usage is cut off.
      expect(oracleByProtocol[one.protocol]?.hasEnd(Buffer.concat([part, lineBreak])), `cut at ${place}`).toBe(true);
    }
  });

  it.each(streams)("$name: anything else under status 200 is a failure", ({ chat }) => {
    for (const text of notAnswers) expectFailure(() => readStream(chat, [encoder.encode(text)]), text);
  });

  it.each(streams)("$name: any value of any event may be odd", ({ chat, body }) => {
    const events = framesOf(chat, body);
    const anyMutant = fc.nat({ max: events.length - 1 }).chain((position) => {
      const json = parseOrText(events[position]?.data ?? "");
      return fc.record({
        position: fc.constant(position),
        path: fc.constantFrom(...pathsOf(json)),
        value: fc.constantFrom(...oddValues),
      });
    });
    fc.assert(
      fc.property(anyMutant, ({ position, path, value }) => {
        const event = events[position];
        if (event === undefined) return;
        const data = mutate(parseOrText(event.data), { path, value });
        expectSound(() => readEvents(chat, events.with(position, { ...event, data })), `${path.join(".")}`);
      }),
      { numRuns: 250 },
    );
  });

  it.each(streams)("$name: events may come twice, not at all, or in another order", ({ chat, body }) => {
    const events = framesOf(chat, body);
    const index = fc.nat({ max: events.length - 1 });
    fc.assert(
      fc.property(index, index, fc.constantFrom("twice", "never", "swapped", "all twice"), (left, right, how) => {
        expectSound(() => readEvents(chat, disturbed(events, left, right, how)), `${how} ${left} ${right}`);
      }),
      { numRuns: 120 },
    );
  });

  it.each(streams)("$name: NUL bytes anywhere break nothing but the answer", ({ chat, body }) => {
    fc.assert(
      fc.property(fc.nat({ max: body.length - 1 }), fc.integer({ min: 1, max: 3 }), (place, count) => {
        const spoilt = [body.subarray(0, place), new Uint8Array(count), body.subarray(place)];
        expectSound(() => readStream(chat, spoilt).completion, `at ${place}`);
      }),
      { numRuns: 60 },
    );
  });

  it.each(streams)("$name: a line without end fails before more than a limit's worth is held", ({ chat }) => {
    const limit = 64 << 10;
    const piece = new Uint8Array(4 << 10).fill(0x61);
    for (const beginning of ["", 'data: {"a":"', '{"a":"']) {
      const frames = createDecoder(chat.framing, { eventBytesMax: limit });
      let pushed = 0;
      const feed = () => {
        frames.push(encoder.encode(beginning));
        for (; pushed <= 4 * limit; pushed += piece.length) frames.push(piece);
      };
      expect(feed).toThrow(/./);
      expect(pushed).toBeLessThanOrEqual(limit + piece.length);
    }
  });
});

/** Paths of one body that are mutated: enough for every member of an answer but the longest lists of tokens. */
const pathsMax = 250;

/** What stands under a status 200 when something between us and the provider broke, or the provider did. */
const notAnswers: readonly string[] = [
  "",
  " ",
  "\n\n",
  "null",
  "true",
  "7",
  "[]",
  "{}",
  '"text"',
  "OK",
  "\u0000\u0000",
  "<!doctype html><html><head><title>502</title></head><body>Bad gateway</body></html>",
  '{"error":{"message":"the server had an error","type":"server_error","code":"server_error"}}',
  '{"error":"the server had an error"}',
  '{"message":"Internal server error"}',
  '{"detail":"Not found"}',
  'data: {"error":{"message":"the server had an error","type":"server_error"}}\n\n',
  'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
  "data: [DONE]",
  "data: <html>\n\n",
  ": ping\n\n: ping\n\n",
  '{"choices":[{"index":0,"del',
];

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function readWhole(chat: ChatOperation, one: CorpusCase, body: Uint8Array): Completion {
  return chat.fromHttpResponse({ status: 200, headers: readHeaders(one), body }, readContext);
}

function framesOf(chat: ChatOperation, body: Uint8Array): readonly WireEvent[] {
  const frames = createDecoder(chat.framing, { eventBytesMax: 16 << 20 });
  return [...frames.push(body), ...frames.finish()];
}

function readEvents(chat: ChatOperation, wireEvents: readonly WireEvent[]): Completion {
  const reader = chat.createReader(readContext);
  const events: StreamEvent[] = wireEvents.flatMap((event) => reader.read(event));
  const { events: last, facts } = reader.finish();
  events.push(...last);
  expectStreamLaws(events);
  const parts: Completion["parts"][number][] = [];
  for (const event of events) foldEvent(parts, event);
  return { ...facts, parts };
}

function disturbed(events: readonly WireEvent[], left: number, right: number, how: string): readonly WireEvent[] {
  const first = events[left];
  const second = events[right];
  if (first === undefined || second === undefined) return events;
  if (how === "twice") return events.toSpliced(left, 0, first);
  if (how === "never") return events.toSpliced(left, 1);
  if (how === "swapped") return events.with(left, second).with(right, first);
  return events.flatMap((event) => [event, event]);
}

function parseOrText(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return data; // "[DONE]" is no JSON, and no fault either.
  }
}

// ── Expecting ───────────────────────────────────────────────────────────────────────────────────────────────────────

function expectFailure(read: () => unknown, label: string): void {
  expect(outcomeOf(read), label.slice(0, 120)).toBeInstanceOf(ProviderFailure);
}

/** A typed failure, or an answer that can be sent on and counted. */
function expectSound(read: () => Completion, label: string): void {
  let completion: Completion;
  try {
    completion = read();
  } catch (error) {
    if (error instanceof ProviderFailure) return;
    throw new Error(`${label}: ${String(error)}`, { cause: error });
  }
  try {
    for (const part of completion.parts) toBinary(PartSchema, part);
    for (const warning of completion.warnings) toBinary(WarningSchema, warning);
    if (completion.usage !== undefined) expectCounts(completion);
    expect(Object.values(FinishReason)).toContain(completion.finishReason);
    expect(
      [completion.providerFinishReason, completion.responseModel, completion.serviceTier].map((text) => typeof text),
    ).toEqual(["string", "string", "string"]);
  } catch (error) {
    throw new Error(`${label}: ${String(error)}`, { cause: error });
  }
}

/** Counts of tokens are whole and not negative, and parts no larger than their whole. */
function expectCounts({ usage }: Completion): void {
  if (usage === undefined) return;
  toBinary(UsageSchema, usage);
  const counts = Object.values(usage).filter((value) => typeof value === "number");
  expect(counts.filter((value) => !Number.isInteger(value) || value < 0)).toEqual([]);
  expectUsageLaws(usage);
}

function outcomeOf(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    return error;
  }
}

// ── Samples ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The shortest recording with an answer in it, of each provider, API and mode. */
function smallestOfEach(): readonly Sample[] {
  const found = new Map<string, Sample>();
  for (const one of readCorpus()) {
    const settings = settingsOfCase(one);
    if (settings === undefined || one.status >= 300 || failureInside(one) !== undefined) continue;
    const name = `${nameOf(settings)} ${one.bodyKind === "json" ? "whole" : "stream"}`;
    const body = readBody(one);
    const before = found.get(name);
    if (before === undefined || body.length < before.body.length) {
      found.set(name, { name, one, chat: chatOf(createProvider(settings)), body });
    }
  }
  return [...found.values()];
}

function nameOf({ kind, dialect, api }: ProviderSettings): string {
  return [kind, dialect, api].filter((word) => word !== undefined).join(" ");
}

function places(body: Uint8Array): readonly number[] {
  const step = Math.max(1, Math.ceil(body.length / cutsMax));
  return Array.from({ length: Math.ceil(body.length / step) }, (_, index) => index * step);
}
