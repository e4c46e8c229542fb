// What holds for every provider, whatever it is: the round trip of an answer, whose state goes where, what is unset, and
// words that mean something to JavaScript only.
import { create, type JsonObject } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CompleteRequestSchema,
  type Part,
  PartSchema,
  ReasoningKind,
  Role,
  ToolMode,
  WarningKind,
} from "../../src/contract.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { readBody, readCorpus, readHeaders } from "../corpus/corpus.ts";
import { failureInside } from "../corpus/expected-failures.ts";
import { settingsOfCase } from "../corpus/provider-of-case.ts";
import { chatOf, readContext, readStream } from "../corpus/read-case.ts";
import { dialectTargets, type MatrixTarget, matrixTargets } from "../golden/matrix-targets.ts";
import { holds, nextTurn, type Outgoing, sentBy, toOutgoing, toText, translate } from "./next-turn.ts";

const targets = [...matrixTargets, ...dialectTargets];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

const answers = readCorpus().flatMap((one) => {
  const settings = settingsOfCase(one);
  const isAnswer = settings !== undefined && one.status < 300 && failureInside(one) === undefined;
  return isAnswer ? [{ name: one.id, one, settings }] : [];
});

describe("a recorded answer", () => {
  it.each(answers)("$name: goes back to its provider byte for byte", ({ one, settings }) => {
    const chat = chatOf(createProvider(settings));
    const { parts } =
      one.bodyKind === "json"
        ? chat.fromHttpResponse({ status: one.status, headers: readHeaders(one), body: readBody(one) }, readContext)
        : readStream(chat, [readBody(one)]).completion;
    const { request, warnings } = sentBy(settings, one.model, nextTurn(parts));
    const said = warnings.map(({ kind, field }) => ({ kind, field }));
    expect(said.filter(({ kind }) => kind === WarningKind.STATE_DROPPED)).toEqual([]);
    const outgoing = toOutgoing(request.body);
    for (const [index, part] of parts.entries()) {
      if (said.some(({ field }) => field.startsWith(`messages[1].parts[${index}]`))) continue; // Said, so not silent.
      expectCarried(part, outgoing);
    }
  });
});

function expectCarried(part: Part, outgoing: Outgoing): void {
  const { content } = part;
  if (content.case === "text" && content.value.text.trim() !== "") {
    expect(holds(outgoing, content.value.text), "text").toBe(true);
  }
  if (content.case === "refusal") expect(holds(outgoing, content.value.text), "refusal").toBe(true);
  if (content.case === "toolCall" && content.value.argumentsJson.trim() !== "" && !content.value.providerExecuted) {
    expect(holds(outgoing, content.value.argumentsJson), "arguments").toBe(true);
  }
  if (content.case === "provider") expect(holds(outgoing, content.value.payloadJson), "provider part").toBe(true);
}

describe("text, arguments and state of a provider's own", () => {
  it.each(targets)("$name: goes out as it came in", (target) => {
    if (target.settings.dialect === "perplexity") return; // It has no tools, and so no calls.
    fc.assert(
      fc.property(words(), argumentsText(), (text, argumentsJson) => {
        const call = create(PartSchema, {
          content: { case: "toolCall", value: { callId: "c1", name: "weather", argumentsJson } },
        });
        const { request } = sentBy(target.settings, target.model, nextTurn([toText(text), call]));
        const outgoing = toOutgoing(request.body);
        expect(outgoing.strings).toContain(text);
        expect(holds(outgoing, argumentsJson)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

/** Any text that says something: blanks alone are left out by APIs that refuse them. */
function words(): fc.Arbitrary<string> {
  return fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).map((text) => `a${text}`);
}

/** JSON objects as models write them, with the spaces that they happen to have. */
function argumentsText(): fc.Arbitrary<string> {
  const value = fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1, maxKeys: 4 });
  return fc
    .tuple(value, fc.constantFrom(undefined, 1, 2))
    .map(([object, space]) => JSON.stringify(object, null, space));
}

describe("opaque state of another provider", () => {
  it.each(targets)("$name: never goes out, and the caller hears of it", (target) => {
    fc.assert(
      fc.property(fc.array(statedPart(), { minLength: 1, maxLength: 4 }), (parts) => {
        const translation = translate(target.settings, target.model, nextTurn(parts));
        if (translation.kind === "unsupported") return;
        const out = [translation.request.path, ...Object.values(translation.request.headers), translation.request.body];
        expect(out.join("\n")).not.toContain(secret);
        expect(out.join("\n")).not.toContain(Buffer.from(secret).toString("base64").slice(0, 12));
        const named = translation.warnings
          .filter(({ kind }) => kind === WarningKind.STATE_DROPPED || kind === WarningKind.PARAMETER_DROPPED)
          .map(({ field }) => field);
        for (const index of parts.keys()) {
          const field = `messages[1].parts[${index}]`;
          expect(
            named.some((one) => one === field || one.startsWith(`${field}.`)),
            field,
          ).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });
});

const secret = "SECRETSECRETSECRET";

function statedPart(): fc.Arbitrary<Part> {
  const contents: readonly Part["content"][] = [
    toText("hi").content,
    create(PartSchema, { content: { case: "reasoning", value: { text: "hm", kind: ReasoningKind.FULL } } }).content,
    create(PartSchema, { content: { case: "reasoning", value: { kind: ReasoningKind.REDACTED } } }).content,
    create(PartSchema, { content: { case: "refusal", value: { text: "no" } } }).content,
    create(PartSchema, { content: { case: "toolCall", value: { callId: "c1", name: "f", argumentsJson: "{}" } } })
      .content,
  ];
  return fc
    .record({
      content: fc.constantFrom(...contents),
      provider: fc.string({ minLength: 1, maxLength: 12 }).map((name) => `another-${name}`),
      inData: fc.boolean(),
    })
    .map(({ content, provider, inData }) =>
      create(PartSchema, {
        content,
        state: inData ? { provider, data: encoder.encode(secret) } : { provider, itemId: secret },
      }),
    );
}

describe("options and breakpoints beside a part's content", () => {
  const text = toText("hi");
  const call = create(PartSchema, {
    content: { case: "toolCall", value: { callId: "c", name: "f", argumentsJson: "{}" } },
  });
  const result = create(PartSchema, {
    content: { case: "toolResult", value: { callId: "c", content: [toText("x")] } },
  });
  const places = [
    [Role.SYSTEM, text],
    [Role.USER, text],
    [Role.ASSISTANT, text],
    [Role.ASSISTANT, call],
    [Role.TOOL, result],
  ] as const;

  it.each(targets)(
    "$name: go out with it or are spoken of, in a message of any role",
    ({ settings, model, stateName }) => {
      for (const [role, bearer] of places) {
        const conversation = (more: object) => {
          const before = role === Role.TOOL ? [{ role: Role.ASSISTANT, parts: [call] }] : [];
          const part = create(PartSchema, { content: bearer.content, ...more });
          return create(CompleteRequestSchema, { model: "m", messages: [...before, { role, parts: [part] }] });
        };
        const bare = translate(settings, model, conversation({}));
        if (bare.kind === "unsupported") continue;
        const options: Record<string, JsonObject> = { [stateName]: { own_option: 1 } };
        for (const more of [{ providerOptions: options }, { cacheBreakpoint: {} }]) {
          const { request, warnings } = sentBy(settings, model, conversation(more));
          const isSaid = warnings.length > bare.warnings.length;
          expect(isSaid || request.body !== bare.request.body, JSON.stringify({ role, ...more })).toBe(true);
        }
      }
    },
  );
});

describe("what is unset", () => {
  it.each(targets)("$name: does not reach the provider's JSON", ({ settings, model }) => {
    const plain = { model: "m", messages: [{ role: Role.USER, parts: [toText("Hello")] }] };
    const empty = { ...plain, sampling: {}, reasoning: {}, promptCache: {}, toolChoice: {}, routing: {} };
    const bare = sentBy(settings, model, create(CompleteRequestSchema, plain));
    const withEmpty = sentBy(settings, model, create(CompleteRequestSchema, empty));
    expect(withEmpty).toEqual(bare);
    expect(bare.warnings).toEqual([]);
    expect(String(bare.request.body)).not.toMatch(/null|undefined|temperature|top_?p|seed|penalty/i);
  });

  const zeros = [
    ["temperature", { temperature: 0 }],
    ["min_p", { minP: 0 }],
    ["frequency_penalty", { frequencyPenalty: 0 }],
    ["presence_penalty", { presencePenalty: 0 }],
    ["seed", { seed: 0n }],
    ["top_logprobs", { topLogprobs: 0 }],
  ] as const;

  it.each(targets)("$name: 0 is set, and goes out or is spoken of", ({ settings, model }) => {
    const messages = [{ role: Role.USER, parts: [toText("Hello")] }];
    const bare = sentBy(settings, model, create(CompleteRequestSchema, { model: "m", messages }));
    for (const [name, sampling] of zeros) {
      const zero = sentBy(settings, model, create(CompleteRequestSchema, { model: "m", messages, sampling }));
      const isSaid = zero.warnings.some(({ field }) => field === `sampling.${name}`);
      expect(isSaid || zero.request.body !== bare.request.body, name).toBe(true);
      if (!isSaid && name === "temperature") expect(String(zero.request.body)).toMatch(/"temperature":0[,}]/);
    }
  });
});

// ── Words that mean something to JavaScript ─────────────────────────────────────────────────────────────────────────

const reserved = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"] as const;

describe("words of JavaScript's own", () => {
  it.each(targets)("$name: are names like any other in a request", (target) => {
    for (const word of reserved) {
      for (const shape of shapesWith(word, target)) {
        const translation = translate(target.settings, target.model, create(CompleteRequestSchema, shape));
        if (translation.kind === "unsupported") continue;
        const { body } = translation.request;
        expect(() => JSON.parse(String(body)), `${word}: ${String(body)}`).not.toThrow();
        expect(String(body)).not.toMatch(/native code|function Object/);
      }
    }
    expect(Object.prototype).not.toHaveProperty("polluted");
  });

  it.each(targets.filter(({ settings }) => settings.dialect !== "perplexity"))(
    "$name: reach the provider as the name and the arguments of a tool",
    ({ settings, model }) => {
      const argumentsJson = '{"__proto__":{"polluted":true},"constructor":1}';
      for (const name of reserved) {
        const call = create(PartSchema, { content: { case: "toolCall", value: { callId: "c", name, argumentsJson } } });
        const request = nextTurn([call]);
        const body = String(sentBy(settings, model, request).request.body);
        expect(body).toContain(`"${name}"`);
        expect(holds(toOutgoing(body), argumentsJson)).toBe(true);
      }
      expect(Object.prototype).not.toHaveProperty("polluted");
    },
  );
});

type RequestShape = Parameters<typeof create<typeof CompleteRequestSchema>>[1];

function shapesWith(word: string, { stateName }: MatrixTarget): readonly NonNullable<RequestShape>[] {
  const messages = [{ role: Role.USER, parts: [toText("Hello")] }];
  const polluting: JsonObject = JSON.parse(`{"${word}":{"polluted":true}}`);
  const options: Record<string, JsonObject> = JSON.parse(`{"${word}":{"polluted":true}}`);
  const media = (mediaType: string) => ({ source: { case: "data" as const, value: new Uint8Array([1]) }, mediaType });
  const weather = { kind: { case: "function", value: { name: word, parametersJsonSchema: "{}" } } } as const;
  return [
    { model: word, messages },
    { model: "m", messages, serviceTier: word },
    { model: "m", messages, endUserId: word, labels: JSON.parse(`{"${word}":"${word}"}`) },
    { model: "m", messages, providerOptions: options },
    { model: "m", messages, providerOptions: { [stateName]: polluting } },
    { model: "m", messages, tools: [weather], toolChoice: { mode: ToolMode.REQUIRED, allowedTools: [word] } },
    { model: "m", messages, tools: [{ kind: { case: "provider", value: { type: word } } }] },
    { model: "m", messages, tools: [{ kind: { case: "provider", value: { type: `${stateName}.${word}` } } }] },
    { model: "m", messages, audioOutput: { voice: word, mediaType: word } },
    ...(["image", "audio", "video", "document"] as const).flatMap((kind) =>
      [word, `${kind}/${word}`].map((mediaType) => ({
        model: "m",
        messages: [
          { role: Role.USER, parts: [create(PartSchema, { content: { case: kind, value: media(mediaType) } })] },
        ],
      })),
    ),
  ];
}

// ── Bounds ──────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("what is far too deep or too long", () => {
  it.each(targets)("$name: breaks no translation", ({ settings, model }) => {
    const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    const long = "x".repeat(4 << 20);
    const call = (argumentsJson: string) =>
      create(PartSchema, { content: { case: "toolCall", value: { callId: "c", name: "f", argumentsJson } } });
    for (const argumentsJson of [deep, deep.slice(0, 100_000), `{"a":"${long}"}`, long]) {
      expect(["request", "unsupported"]).toContain(translate(settings, model, nextTurn([call(argumentsJson)])).kind);
    }
    const own = create(PartSchema, {
      content: { case: "text", value: { text: "hi" } },
      state: { provider: settings.id, data: encoder.encode(deep) },
    });
    expect(["request", "unsupported"]).toContain(translate(settings, model, nextTurn([own])).kind);
    expect(decoder.decode(encoder.encode(deep))).toBe(deep);
  });
});
