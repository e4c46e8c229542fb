// Every recording through the adapter that speaks its protocol, compared with an independent reading of the raw bytes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProviderFailure } from "../../src/domain/provider-failure.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { byteByByte, cuttings } from "../../src/wire/cuttings.ts";
import { type CorpusCase, readBody, readCorpus, readHeaders } from "./corpus.ts";
import { failureInside, failureOfStatus } from "./expected-failures.ts";
import { finishWithCalls, observe } from "./observed.ts";
import { type Oracle, oracleByProtocol } from "./oracles/oracle.ts";
import {
  protocolsReadInPart,
  protocolsWithoutAdapter,
  protocolsWithoutExchange,
  settingsOfCase,
} from "./provider-of-case.ts";
import { chatOf, readContext, readStream } from "./read-case.ts";
import { expectStreamLaws, expectUsageLaws } from "./stream-laws.ts";

const cases = readCorpus();
const covered = cases.filter((one) => settingsOfCase(one) !== undefined);
const answers = covered.filter((one) => one.status < 300 && failureInside(one) === undefined);
const streams = answers.filter((one) => one.bodyKind !== "json");
const wholes = answers.filter((one) => one.bodyKind === "json");
const brokenStreams = covered.filter((one) => failureInside(one) !== undefined);
const errors = covered.filter((one) => one.status >= 300);

/** Bodies below this size are split at every byte. */
const everyByteMax = 4096;

/** Recordings whose counts cannot be true. */
const warningsExpected: Readonly<Record<string, number>> = {
  "azure-openai-chat-unary-structured-output-2eea800b": 1, // 158 cached tokens of 78.
};

/** Ways in which longer bodies are cut. */
const cuttingsPerCase = 6;

it("has an adapter for every protocol but those that are listed", () => {
  const missing = new Set(cases.filter((one) => settingsOfCase(one) === undefined).map((one) => one.protocol));
  const listed = new Set([...protocolsWithoutAdapter, ...protocolsWithoutExchange]);
  expect([...missing].toSorted()).toEqual([...listed, ...protocolsReadInPart].toSorted());
  expect(covered.length).toBeGreaterThan(150);
  expect(covered.filter((one) => listed.has(one.protocol))).toEqual([]);
});

describe("whole answers", () => {
  it.each(named(wholes))("%s: holds what the raw JSON holds", (_, one) => {
    const completion = chat(one).fromHttpResponse(response(one, readBody(one)), readContext);
    expect(observe(completion)).toEqual(oracle(one).observeWhole(readBody(one)));
    expectUsageLaws(completion.usage);
    expect(completion.warnings.length).toBe(warningsExpected[one.id] ?? 0);
  });

  it.each(named(wholes))("%s: cut anywhere, it is no answer", (_, one) => {
    const body = readBody(one);
    for (const part of [0, 0.3, 0.7, 0.97]) {
      const cut = body.slice(0, Math.floor(body.length * part));
      expect(() => chat(one).fromHttpResponse(response(one, cut), readContext)).toThrow(ProviderFailure);
    }
  });
});

describe("streams", () => {
  it.each(named(streams))("%s: holds what the raw events hold, and keeps the laws", (_, one) => {
    const { events, completion, usageBeforeEnd } = readStream(chat(one), [readBody(one)]);
    const observed = observe(completion);
    expect(observed).toEqual(oracle(one).observeStream(readBody(one)));
    if (observed.calls.length > 0) expect(finishWithCalls).toContain(completion.finishReason);
    expect(usageBeforeEnd).toEqual(completion.usage);
    expectStreamLaws(events);
    expectUsageLaws(completion.usage);
    expect(completion.warnings.length).toBe(warningsExpected[one.id] ?? 0);
  });

  it.each(named(streams))("%s: gives the same events however the bytes are cut", (_, one) => {
    const body = readBody(one);
    const { events } = readStream(chat(one), [body]);
    if (body.length < everyByteMax) expect(readStream(chat(one), byteByByte(body)).events).toEqual(events);
    fc.assert(
      fc.property(cuttings(body), (pieces) => {
        expect(readStream(chat(one), pieces).events).toEqual(events);
      }),
      { numRuns: cuttingsPerCase, seed: 20_261_124 },
    );
  });

  it.each(named(streams))("%s: cut before its end, it never looks like a clean one", (_, one) => {
    const body = readBody(one);
    for (const part of [0, 0.1, 0.35, 0.6, 0.8, 0.9, 0.97]) {
      const cut = body.slice(0, Math.floor(body.length * part));
      if (oracle(one).hasEnd(cut)) continue; // The provider's own end is in it: what was cut off is only usage.
      expect(() => readStream(chat(one), [cut]), `cut at ${part}`).toThrow(ProviderFailure);
    }
  });

  it.each(named(brokenStreams))("%s: is a failure although the status is 200", (_, one) => {
    const failure = caught(() =>
      one.bodyKind === "json"
        ? chat(one).fromHttpResponse(response(one, readBody(one)), readContext)
        : readStream(chat(one), [readBody(one)]),
    );
    expect(failure).toMatchObject({ kind: failureInside(one) });
  });
});

describe("errors", () => {
  it.each(named(errors))("%s: says what went wrong and how long to wait", (_, one) => {
    const failure = createProvider(settings(one)).toFailure(one.status, readHeaders(one), readBody(one));
    const expected = failureOfStatus(one);
    expect(failure.kind).toBe(expected.kind);
    expect(failure.facts.httpStatus).toBe(one.status);
    if (expected.retryAfterMs !== undefined) expect(failure.facts.retryAfterMs).toBe(expected.retryAfterMs);
    expect(failure.facts.providerMessage ?? "x").not.toBe("");
  });

  it("answers any status and any bytes with a failure, and never throws", () => {
    fc.assert(
      fc.property(fc.constantFrom(...errors), garbage(), fc.integer({ min: 300, max: 599 }), (one, body, status) => {
        expect(createProvider(settings(one)).toFailure(status, {}, body)).toBeInstanceOf(ProviderFailure);
      }),
      { numRuns: 300 },
    );
  });
});

describe("garbage", () => {
  it("as a whole answer is a provider's failure, never another exception", () => {
    fc.assert(
      fc.property(fc.constantFrom(...wholes), garbage(), (one, body) => {
        expect(caught(() => chat(one).fromHttpResponse(response(one, body), readContext))).toBeInstanceOf(
          ProviderFailure,
        );
      }),
      { numRuns: 300 },
    );
  });

  it("in an event of a stream is a provider's failure or is skipped, never another exception", () => {
    const anyEvent = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom('{"choices":[{"delta":7}]}', '{"error":7}', "null", "[]"),
    );
    fc.assert(
      fc.property(fc.constantFrom(...streams), fc.array(anyEvent, { maxLength: 4 }), (one, texts) => {
        const reader = chat(one).createReader(readContext);
        const failure = caught(() => {
          for (const data of texts) reader.read({ name: "", data, origin: "event" });
          reader.finish();
        });
        if (failure !== undefined) expect(failure).toBeInstanceOf(ProviderFailure);
      }),
      { numRuns: 300 },
    );
  });
});

function named(list: readonly CorpusCase[]): [string, CorpusCase][] {
  return list.map((one) => [one.id, one]);
}

function settings(one: CorpusCase) {
  const found = settingsOfCase(one);
  if (found === undefined) throw new Error(`${one.id}: no adapter`);
  return found;
}

function chat(one: CorpusCase) {
  return chatOf(createProvider(settings(one)));
}

function oracle(one: CorpusCase): Oracle {
  const found = oracleByProtocol[one.protocol];
  if (found === undefined) throw new Error(`${one.protocol} has an adapter but no oracle`);
  return found;
}

function response(one: CorpusCase, body: Uint8Array) {
  return { status: one.status, headers: readHeaders(one), body };
}

function caught(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Bytes that are no answer of any provider. */
function garbage(): fc.Arbitrary<Uint8Array> {
  const texts = fc.oneof(
    fc.constantFrom(
      "",
      " ",
      "null",
      "[]",
      "{}",
      "7",
      '"x"',
      "<html></html>",
      '{"error":null}',
      '{"error":{}}',
      '{"detail":[]}',
    ),
    fc.json(),
  );
  return fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    texts.map((text) => new TextEncoder().encode(text)),
  );
}
