// What a provider sends and the contract does not model yet comes to the caller as a provider part, and goes back to the
// same provider as it came; to another one it does not go.

import { expect, it } from "vitest";
import type { Part } from "../../src/contract.ts";
import { FinishReason, WarningKind } from "../../src/contract.ts";
import { ProviderFailure } from "../../src/domain/provider-failure.ts";
import type { ProviderSettings } from "../../src/providers/provider.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { chatOf, readContext, readStream } from "../corpus/read-case.ts";
import { nextTurn, sentBy } from "./next-turn.ts";

/** An integer over 2^53, a float, an order of names, an empty list: what careless rewriting changes. */
const novelty = '{"type":"novelty","z":9007199254740993,"a":{"float":0.1,"list":[],"text":"é\\n"}}';
const argumentsJson = '{"id":9007199254740993,"b":1,"a":[]}';

type Wire = {
  readonly settings: ProviderSettings;
  readonly model: string;
  /** A whole answer with these words for its end. */
  readonly whole: (finish: string, call: string) => string;
  /** The unknown content as it comes and goes; `undefined`: the API has no place for any. */
  readonly unknown?: string;
  readonly stream?: string;
};

const bedrockNovelty = `{"novelty":${novelty}}`;

const wires: readonly Wire[] = [
  {
    settings: { id: "claude", kind: "anthropic" },
    model: "claude-opus-4-6",
    unknown: novelty,
    whole: (finish, name) =>
      `{"id":"m","type":"message","role":"assistant","model":"c","content":[${novelty},{"type":"text","text":"hi"},{"type":"tool_use","id":"t1","name":"${name}","input":${argumentsJson}}],"stop_reason":"${finish}","usage":{"input_tokens":1,"output_tokens":1}}`,
    stream: [
      '{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}',
      `{"type":"content_block_start","index":0,"content_block":${novelty}}`,
      '{"type":"content_block_stop","index":0}',
      '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}',
      '{"type":"message_stop"}',
    ]
      .map((data) => `event: ${JSON.parse(data).type}\ndata: ${data}\n\n`)
      .join(""),
  },
  {
    settings: { id: "google", kind: "gemini" },
    model: "gemini-2.5-flash",
    unknown: bedrockNovelty,
    whole: (finish, name) =>
      `{"candidates":[{"index":0,"content":{"role":"model","parts":[${bedrockNovelty},{"text":"hi"},{"functionCall":{"name":"${name}","args":${argumentsJson}}}]},"finishReason":"${finish}"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}`,
    stream: `data: {"candidates":[{"index":0,"content":{"role":"model","parts":[${bedrockNovelty}]},"finishReason":"STOP"}]}\n\n`,
  },
  {
    settings: { id: "aws", kind: "bedrock", region: "us-east-1" },
    model: "amazon.nova-pro-v1:0",
    unknown: bedrockNovelty,
    whole: (finish, name) =>
      `{"output":{"message":{"role":"assistant","content":[${bedrockNovelty},{"text":"hi"},{"toolUse":{"toolUseId":"t1","name":"${name}","input":${argumentsJson}}}]}},"stopReason":"${finish}","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`,
  },
  {
    settings: { id: "openai", kind: "openai", api: "responses" },
    model: "gpt-5",
    unknown: novelty,
    whole: (finish, name) =>
      `{"id":"r","object":"response","status":"${finish}","model":"g","output":[${novelty},{"type":"function_call","id":"fc1","call_id":"t1","name":"${name}","arguments":${JSON.stringify(argumentsJson)}}],"usage":{"input_tokens":1,"output_tokens":1}}`,
    stream: `data: {"type":"response.completed","response":{"id":"r","status":"completed","model":"g","output":[${novelty}]}}\n\n`,
  },
  {
    settings: { id: "cohere", kind: "cohere" },
    model: "command-a-03-2025",
    unknown: novelty,
    whole: (finish, name) =>
      `{"id":"r","finish_reason":"${finish}","message":{"role":"assistant","content":[${novelty},{"type":"text","text":"hi"}],"tool_calls":[{"id":"t1","type":"function","function":{"name":"${name}","arguments":${JSON.stringify(argumentsJson)}}}]},"usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}`,
  },
  {
    settings: { id: "openai", kind: "openai" },
    model: "gpt-4.1",
    whole: (finish, name) =>
      `{"id":"r","object":"chat.completion","model":"g","choices":[{"index":0,"finish_reason":"${finish}","message":{"role":"assistant","content":"hi","tool_calls":[{"id":"t1","type":"function","function":{"name":"${name}","arguments":${JSON.stringify(argumentsJson)}}}]}}]}`,
  },
  {
    settings: { id: "ollama", kind: "ollama" },
    model: "qwen3",
    whole: (finish, name) =>
      `{"model":"q","message":{"role":"assistant","content":"hi","tool_calls":[{"function":{"name":"${name}","arguments":${argumentsJson}}}]},"done":true,"done_reason":"${finish}"}`,
  },
];

const encoder = new TextEncoder();
const knowing = wires.flatMap((wire) => (wire.unknown === undefined ? [] : [{ ...wire, unknown: wire.unknown }]));
const streaming = knowing.flatMap((wire) => (wire.stream === undefined ? [] : [{ ...wire, stream: wire.stream }]));

it.each(knowing)("$settings.kind $settings.api: an unknown kind comes as it is and goes back as it came", (wire) => {
  const { parts } = read(wire, "end", "weather");
  expect(payloadsOf(parts)).toEqual([wire.unknown]);
  expect(String(sentBy(wire.settings, wire.model, nextTurn(parts)).request.body)).toContain(wire.unknown);
});

it.each(streaming)("$settings.kind $settings.api: also from a stream", ({ settings, stream, unknown }) => {
  expect(payloadsOf(readStream(chatOf(createProvider(settings)), [encoder.encode(stream)]).completion.parts)).toEqual([
    unknown,
  ]);
});

it.each(knowing)("$settings.kind $settings.api: goes to no other provider, and the caller hears of it", (wire) => {
  const unknown = read(wire, "end", "weather").parts.filter(({ content }) => content.case === "provider");
  for (const other of wires.filter(({ settings }) => settings.kind !== wire.settings.kind)) {
    const { request, warnings } = sentBy(other.settings, other.model, nextTurn(unknown));
    expect(String(request.body)).not.toContain("novelty");
    const kinds = warnings.map(({ kind }) => kind);
    expect(
      kinds.includes(WarningKind.PARAMETER_DROPPED) || kinds.includes(WarningKind.STATE_DROPPED),
      other.settings.kind,
    ).toBe(true);
  }
});

it.each(wires)("$settings.kind $settings.api: arguments keep integers that no number holds, there and back", (wire) => {
  const { parts } = read(wire, "end", "weather");
  const calls = parts.flatMap(({ content }) => (content.case === "toolCall" ? [content.value.argumentsJson] : []));
  expect(calls).toEqual([argumentsJson]);
  const body = String(sentBy(wire.settings, wire.model, nextTurn(parts)).request.body);
  expect(body.replaceAll("\\", "")).toContain(argumentsJson);
});

it.each(wires)(
  "$settings.kind $settings.api: words of JavaScript's own are no reason for an end, and names like any other",
  (wire) => {
    for (const word of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      const completion = read(wire, word, word);
      expect(Object.values(FinishReason)).toContain(completion.finishReason);
      const names = completion.parts.flatMap(({ content }) =>
        content.case === "toolCall" ? [content.value.name] : [],
      );
      expect(names).toEqual([word]);
    }
  },
);

it.each(wires)("$settings.kind $settings.api: what is nested beyond reason is a failure or stays as it is", (wire) => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  const chat = chatOf(createProvider(wire.settings));
  for (const text of [novelty, argumentsJson]) {
    const nested = wire.whole("end", "weather").replace(text, text.replace("[]", deep));
    const body = encoder.encode(nested.replaceAll("9007199254740993", "1"));
    try {
      expect(chat.fromHttpResponse({ status: 200, headers: {}, body }, readContext).parts.length).toBeGreaterThan(0);
    } catch (error) {
      expect(error).toBeInstanceOf(ProviderFailure);
    }
  }
});

function read({ settings, whole }: Wire, finish: string, name: string) {
  const body = encoder.encode(whole(finish, name));
  return chatOf(createProvider(settings)).fromHttpResponse({ status: 200, headers: {}, body }, readContext);
}

function payloadsOf(parts: readonly Part[]): readonly string[] {
  return parts.flatMap(({ content }) => (content.case === "provider" ? [content.value.payloadJson] : []));
}
