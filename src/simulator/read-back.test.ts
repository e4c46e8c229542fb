// The simulator's bytes, read by the same adapters that read the providers': a request goes the whole way of translation,
// over real HTTP, and comes back as parts and counts.
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CompleteRequestSchema, FinishReason, type Part, Role, type Usage } from "../contract.ts";
import type { Credential } from "../domain/credential.ts";
import { foldEvent } from "../domain/fold.ts";
import type { HttpRequest } from "../domain/http.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import type { Provider, ProviderSettings } from "../providers/provider.ts";
import { createProvider, providerKinds } from "../providers/registry.ts";
import { createUpstream } from "../upstream/undici-upstream.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { createDecoder } from "../wire/framings.ts";
import { simulatedAwsKeys } from "./bedrock/verify-signature.ts";
import { type Simulator, startSimulator } from "./start-simulator.ts";

type Case = { kind: string; api?: string; wire: string; credential?: Credential };

const key: Credential = { kind: "api-key", value: "any-key" };
const aws: Credential = { kind: "aws", ...simulatedAwsKeys };

/** A kind joins when it is registered. */
const cases: readonly Case[] = [
  { kind: "openai", api: "chat", wire: "openai" },
  { kind: "openai", api: "responses", wire: "responses" },
  { kind: "anthropic", wire: "anthropic" },
  { kind: "gemini", wire: "gemini" },
  { kind: "bedrock", wire: "bedrock", credential: aws },
  { kind: "bedrock", api: "invoke", wire: "bedrock", credential: aws },
  { kind: "cohere", wire: "cohere" },
  { kind: "mistral", wire: "mistral" },
  { kind: "ollama", wire: "ollama", credential: { kind: "none" } as const },
].filter(isServed);

function isServed({ kind, api }: Case): boolean {
  if (!providerKinds.includes(kind)) return false;
  try {
    createProvider({ id: "p", kind, api, region: "us-east-1" });
    return true;
  } catch {
    // An API that this kind does not have yet.
    return false;
  }
}

let simulator: Simulator;
let upstream: Upstream;

beforeAll(async () => {
  simulator = await startSimulator();
  upstream = createUpstream({
    providers: [{ settings: { id: "p" }, timeouts: { connectMs: 3_000 }, maxConnections: 8, http2: false }],
  });
});

afterAll(async () => {
  await upstream.close();
  await simulator.close();
});

type Answer = { parts: readonly Part[]; finishReason: FinishReason; usage: Usage | undefined };

const context = { callIdSeed: "call_", includeProviderMetadata: false, includeAllSafetyFindings: false };

function toRequest(text: string, tools: boolean): ReturnType<typeof create<typeof CompleteRequestSchema>> {
  const parameters = JSON.stringify({ type: "object", properties: { city: { type: "string" } }, required: ["city"] });
  return create(CompleteRequestSchema, {
    model: "m",
    messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text } } }] }],
    sampling: { maxOutputTokens: 4_000 },
    tools: tools
      ? [{ kind: { case: "function", value: { name: "get_weather", parametersJsonSchema: parameters } } }]
      : [],
  });
}

function exchange(
  request: HttpRequest,
): Promise<{ status: number; headers: Readonly<Record<string, string>>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let status = 0;
    let headers: Readonly<Record<string, string>> = {};
    upstream.dispatch("p", request, {
      onStart(givenStatus, givenHeaders) {
        status = givenStatus;
        headers = givenHeaders;
      },
      onData: (bytes) => chunks.push(bytes),
      onEnd: () => resolve({ status, headers, body: Buffer.concat(chunks) }),
      onFailure: reject,
    });
  });
}

async function send(
  one: Case,
  provider: Provider,
  model: string,
  mode: "unary" | "stream",
  tools: boolean,
): ReturnType<typeof exchange> {
  const translation = provider.chat?.toHttpRequest(toRequest("what is the weather", tools), mode, { model, facts: {} });
  if (translation?.kind !== "request") throw new Error(`not translated: ${JSON.stringify(translation)}`);
  return exchange(await provider.authorise(translation.request, one.credential ?? key, Date.now()));
}

function providerOf({ kind, api, wire }: Case): Provider {
  const settings: ProviderSettings = { id: "p", kind, api, baseUrl: `${simulator.url}/${wire}`, region: "us-east-1" };
  return createProvider(settings);
}

async function complete(one: Case, model: string, tools = false): Promise<Answer> {
  const provider = providerOf(one);
  const response = await send(one, provider, model, "unary", tools);
  expect(response.status).toBe(200);
  const completion = provider.chat?.fromHttpResponse(response, { model, ...context });
  if (completion === undefined) throw new Error("no chat");
  return { parts: completion.parts, finishReason: completion.finishReason, usage: completion.usage };
}

async function stream(one: Case, model: string, tools = false): Promise<Answer> {
  const provider = providerOf(one);
  const response = await send(one, provider, model, "stream", tools);
  expect(response.status).toBe(200);
  if (provider.chat === undefined) throw new Error("no chat");
  const decoder = createDecoder(provider.chat.framing, { eventBytesMax: 1 << 20 });
  const reader = provider.chat.createReader({ model, ...context });
  const parts: Part[] = [];
  for (const event of [...decoder.push(response.body), ...decoder.finish()]) {
    for (const read of reader.read(event)) foldEvent(parts, read);
  }
  const end = reader.finish();
  for (const read of end.events) foldEvent(parts, read);
  return { parts, finishReason: end.facts.finishReason, usage: end.facts.usage };
}

function textOf({ parts }: Answer): string {
  return parts.map(({ content }) => (content.case === "text" ? content.value.text : "")).join("");
}

describe.each(cases)("$wire: the adapter of $kind reads it", (one) => {
  it.each(["sim-small", "sim-tokens-64", "sim-thinking+tokens-3"])(
    "%s: the stream folds to the unary answer",
    async (model) => {
      const [whole, folded] = await Promise.all([complete(one, model), stream(one, model)]);
      expect(folded).toEqual(whole);
      expect(textOf(whole)).toMatch(/^You said/);
      expect(whole.finishReason).toBe(FinishReason.STOP);
    },
  );

  it("counts what the simulator says that it counts", async () => {
    const { usage } = await complete(one, "sim-tokens-64");
    expect(usage).toMatchObject({ inputTokens: 4, outputTokens: 64 });
  });

  it("shows reasoning", async () => {
    const { parts } = await stream(one, "sim-thinking-5");
    expect(parts.map(({ content }) => content.case)).toContain("reasoning");
  });

  it("gets parallel tool calls in both forms", async () => {
    const [whole, folded] = await Promise.all([complete(one, "sim-tools", true), stream(one, "sim-tools", true)]);
    expect(folded).toEqual(whole);
    const calls = whole.parts.flatMap(({ content }) => (content.case === "toolCall" ? [content.value] : []));
    expect(calls.map(({ name }) => name)).toEqual(["get_weather", "get_weather"]);
    expect(calls.map(({ argumentsJson }) => JSON.parse(argumentsJson))).toEqual([
      { city: "example" },
      { city: "example 2" },
    ]);
    expect(new Set(calls.map(({ callId }) => callId)).size).toBe(2);
    expect(whole.finishReason).toBe(FinishReason.TOOL_CALLS);
  });

  it("never takes a stream that ended early for a whole one", async () => {
    const failure = await stream(one, "sim-end-after-2").then(
      () => undefined,
      (error: ProviderFailure) => error,
    );
    expect(failure?.kind).toBe("interrupted");
  });

  it("understands a rate limit and how long to wait", async () => {
    const provider = providerOf(one);
    const { status, headers, body } = await send(one, provider, "sim-fail-429-retry-after-2", "stream", false);
    const failure = provider.toFailure(status, headers, body);
    expect([failure.kind, failure.facts.retryAfterMs]).toEqual(["rate-limited", 2_000]);
  });

  it("understands an error in the middle of a stream", async () => {
    const failure = await stream(one, "sim-error-in-stream").then(
      () => undefined,
      (error: ProviderFailure) => error,
    );
    expect(failure?.name).toBe("ProviderFailure");
  });
});

/** Kinds whose API counts the tokens of a prompt. */
const counting = cases.filter(({ kind }) => ["anthropic", "bedrock", "gemini"].includes(kind));

it.each(counting)("$kind $api: counts the tokens of a prompt", async (one) => {
  const provider = providerOf(one);
  const context = { model: "sim-small", facts: {} };
  const translation = provider.countTokens?.toHttpRequest(toRequest("what is the weather", false), context);
  if (translation?.kind !== "request") throw new Error("the provider does not count");
  const response = await exchange(await provider.authorise(translation.request, one.credential ?? key, Date.now()));
  expect(response.status).toBe(200);
  expect(provider.countTokens?.fromHttpResponse(response)).toBe(4);
});

it("Bedrock takes an API key instead of a signature", async () => {
  const one = { kind: "bedrock", wire: "bedrock", credential: key };
  expect(textOf(await complete(one, "sim-small"))).toMatch(/^You said/);
});
