// Answers of every operation that is not chat: what real servers send is read, and what is no answer is a failure that
// says so, never a crash and never an empty success.
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  EmbedRequestSchema,
  GenerateImagesRequestSchema,
  ModerateRequestSchema,
  RerankRequestSchema,
  StreamSpeechRequestSchema,
  TranscribeRequestSchema,
  UsageSource,
} from "../contract.ts";
import type { HttpResponse } from "../domain/http.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { Provider, ProviderSettings } from "./provider.ts";
import { createProvider } from "./registry.ts";

const providers = {
  openai: provider({ id: "openai", kind: "openai" }),
  compatible: provider({ id: "local", kind: "openai-compatible", baseUrl: "http://local/v1" }),
  gemini: provider({ id: "gemini", kind: "gemini" }),
  vertex: provider({ id: "vertex", kind: "vertex", project: "acme", location: "global" }),
  cohere: provider({ id: "cohere", kind: "cohere" }),
  mistral: provider({ id: "mistral", kind: "mistral" }),
  ollama: provider({ id: "ollama", kind: "ollama" }),
  bedrock: provider({ id: "bedrock", kind: "bedrock", region: "us-east-1" }),
};

function provider(settings: ProviderSettings): Provider {
  return createProvider(settings);
}

function answer(body: unknown, headers: HttpResponse["headers"] = {}): HttpResponse {
  const bytes = typeof body === "string" ? body : JSON.stringify(body);
  return { status: 200, headers, body: new TextEncoder().encode(bytes) };
}

const context = { model: "m", facts: {} };
const embedRequest = create(EmbedRequestSchema, {});
const rerankRequest = create(RerankRequestSchema, { documents: ["a", "b"] });
const moderateRequest = create(ModerateRequestSchema, {});
const imagesRequest = create(GenerateImagesRequestSchema, {});
const transcribeRequest = create(TranscribeRequestSchema, { includeSegments: true, includeWords: true });
const speechRequest = create(StreamSpeechRequestSchema, { text: "Hello", mediaType: "audio/wav" });

/** Every reader of a unary operation, by the name of its provider. */
const readers: readonly (readonly [name: string, read: (response: HttpResponse) => unknown])[] = [
  ...Object.entries(providers).map(
    ([name, { embed }]) =>
      [`${name}: embed`, (response: HttpResponse) => embed?.fromHttpResponse(response, embedRequest, context)] as const,
  ),
  ...[providers.compatible, providers.cohere, providers.bedrock].map(
    ({ name, rerank }) =>
      [
        `${name}: rerank`,
        (response: HttpResponse) => rerank?.fromHttpResponse(response, rerankRequest, context),
      ] as const,
  ),
  ...[providers.openai, providers.mistral].map(
    ({ name, moderate }) =>
      [
        `${name}: moderate`,
        (response: HttpResponse) => moderate?.fromHttpResponse(response, moderateRequest, context),
      ] as const,
  ),
  ["openai: images", (response) => providers.openai.generateImages?.fromHttpResponse(response, imagesRequest, context)],
  ["gemini: images", (response) => providers.gemini.generateImages?.fromHttpResponse(response, imagesRequest, context)],
  [
    "openai: transcribe",
    (response) => providers.openai.transcribe?.fromHttpResponse(response, transcribeRequest, context),
  ],
];

describe.each(readers)("%s", (_name, read) => {
  it.each([
    ["an HTML page", "<!doctype html><title>502</title>"],
    ["half of some JSON", '{"data":[{"embedding":[0.1,'],
    ["nothing", ""],
    ["a number", "42"],
    ["null", "null"],
    ["a list", "[]"],
    ["an object without an answer", "{}"],
    ["bytes that mean nothing", "\u0000\u0001\ufffd"],
  ])("takes %s for no answer", (_what, body) => {
    let failure: unknown;
    try {
      read(answer(body));
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(ProviderFailure);
    expect((failure as ProviderFailure).kind).toBe("bad-response");
  });
});

describe("embeddings", () => {
  it("come in the order of their index, whatever the order of the list", () => {
    const data = [
      { index: 1, embedding: [2] },
      { index: 0, embedding: [1] },
    ];
    const usage = { prompt_tokens: 8, total_tokens: 8 };
    const read = providers.openai.embed?.fromHttpResponse(
      answer({ data, model: "te-3", usage }),
      embedRequest,
      context,
    );
    expect(read?.embeddings.map(({ values }) => values)).toEqual([[1], [2]]);
    expect(read?.usage).toMatchObject({ inputTokens: 8, outputTokens: 0, source: UsageSource.PROVIDER });
    expect(read?.responseModel).toBe("te-3");
  });

  it("with an error inside a 200 are that error", () => {
    const body = { error: { message: "You exceeded your current quota", code: "insufficient_quota" } };
    const read = () => providers.openai.embed?.fromHttpResponse(answer(body), embedRequest, context);
    expect(read).toThrow(expect.objectContaining({ kind: "quota-exhausted" }));
  });

  it.each([
    ["vertex", { predictions: [{ embeddings: { values: [1], statistics: { token_count: 4, truncated: true } } }] }],
    ["gemini", { embeddings: [{ values: [1] }], usageMetadata: { promptTokenCount: 4 } }],
    ["cohere", { embeddings: { float: [[1]] }, meta: { billed_units: { input_tokens: 4 } } }],
    ["mistral", { data: [{ index: 0, embedding: [1] }], usage: { prompt_tokens: 4 } }],
    ["ollama", { embeddings: [[1]], prompt_eval_count: 4 }],
    ["bedrock", { embedding: [1], inputTextTokenCount: 4 }],
  ] as const)("of %s are read with their count", (name, body) => {
    const read = providers[name].embed?.fromHttpResponse(answer(body), embedRequest, context);
    expect(read?.embeddings.map(({ values }) => values)).toEqual([[1]]);
    expect(read?.usage).toMatchObject({ inputTokens: 4, outputTokens: 0 });
    expect(read?.warnings.map(({ message }) => message)).toEqual(
      name === "vertex" ? ["an input was too long, and the provider cut it off"] : [],
    );
  });

  it("of Cohere at Amazon are read in both forms, with the count from the header", () => {
    const headers = { "x-amzn-bedrock-input-token-count": "7" };
    for (const embeddings of [[[1]], { float: [[1]] }]) {
      const read = providers.bedrock.embed?.fromHttpResponse(answer({ embeddings }, headers), embedRequest, context);
      expect(read?.embeddings.map(({ values }) => values)).toEqual([[1]]);
      expect(read?.usage?.inputTokens).toBe(7);
    }
  });

  it("leave a count that cannot be unknown", () => {
    const data = [{ index: 0, embedding: [1] }];
    for (const prompt_tokens of [-1, 1.5, 1e12, "8", null]) {
      const body = { data, usage: { prompt_tokens } };
      expect(providers.openai.embed?.fromHttpResponse(answer(body), embedRequest, context).usage).toBeUndefined();
    }
  });
});

describe("rankings", () => {
  it("are read from results and, as Voyage sends them, from data", () => {
    const rows = [{ index: 1, relevance_score: 0.9, document: { text: "b" } }];
    for (const body of [{ results: rows }, { data: rows }]) {
      const read = providers.compatible.rerank?.fromHttpResponse(answer(body), rerankRequest, context);
      expect(read?.results).toMatchObject([{ index: 1, relevanceScore: 0.9 }]);
    }
  });

  it("are billed by search units where the provider counts them", () => {
    const body = { results: [], meta: { billed_units: { search_units: 2 } } };
    const usage = providers.cohere.rerank?.fromHttpResponse(answer(body), rerankRequest, context).usage;
    expect(usage).toMatchObject({ searchUnits: 2, source: UsageSource.PROVIDER });
    expect(usage?.inputTokens).toBeUndefined();
  });
});

describe("moderation", () => {
  it("of several texts is one finding for each category, with its highest score", () => {
    const results = [
      { flagged: false, categories: { hate: false }, category_scores: { hate: 0.2 } },
      { flagged: true, categories: { hate: true }, category_scores: { hate: 0.9 } },
    ];
    const read = providers.openai.moderate?.fromHttpResponse(answer({ results }), moderateRequest, context);
    expect(read?.flagged).toBe(true);
    expect(read?.findings).toMatchObject([{ category: "hate", score: 0.9, severity: "flagged", source: "openai" }]);
  });
});

describe("images", () => {
  it("are told apart by their first bytes, and kept as addresses where there are no bytes", () => {
    const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xe0]).toString("base64");
    const data = [{ b64_json: jpeg, revised_prompt: "a boat" }, { url: "https://images.example/1" }];
    const read = providers.compatible.generateImages?.fromHttpResponse(answer({ data }), imagesRequest, context);
    expect(read?.images.map(({ media }) => [media?.source.case, media?.mediaType])).toEqual([
      ["data", "image/jpeg"],
      ["uri", ""],
    ]);
    expect(read?.images[0]?.revisedPrompt).toBe("a boat");
    expect(read?.usage).toMatchObject({ generatedImages: 2 });
  });

  it("that Google's filter blocked at the prompt are a filtered request", () => {
    const body = { promptFeedback: { blockReason: "PROHIBITED_CONTENT" } };
    const read = () => providers.gemini.generateImages?.fromHttpResponse(answer(body), imagesRequest, context);
    expect(read).toThrow(expect.objectContaining({ kind: "content-filtered" }));
  });

  it("leave out the drafts of a model that thinks", () => {
    const inlineData = { mimeType: "image/png", data: "iVBORw==" };
    const parts = [{ inlineData, thought: true }, { text: "Here it is" }, { inlineData }];
    const body = { candidates: [{ content: { parts }, finishReason: "STOP" }] };
    const read = providers.gemini.generateImages?.fromHttpResponse(answer(body), imagesRequest, context);
    expect(read?.images.length).toBe(1);
  });
});

describe("speech", () => {
  const delta = (bytes: readonly number[]) =>
    `data: ${JSON.stringify({ type: "speech.audio.delta", audio: Buffer.from(bytes).toString("base64") })}\n\n`;
  const done = `data: ${JSON.stringify({
    type: "speech.audio.done",
    usage: { input_tokens: 5, output_tokens: 40, total_tokens: 45 },
  })}\n\n`;
  const eventHeaders = { "content-type": "text/event-stream; charset=utf-8" };

  function hear(text: string, cutAt: number) {
    const bytes = new TextEncoder().encode(text);
    const reader = providers.openai.speech?.createReader(eventHeaders, speechRequest);
    const pieces = [bytes.subarray(0, cutAt), bytes.subarray(cutAt)].flatMap((piece) => reader?.read(piece) ?? []);
    return { audio: Buffer.concat(pieces), facts: reader?.finish(), mediaType: reader?.mediaType };
  }

  it("in events is the same wherever the bytes are cut, and ends with its counts", () => {
    const text = delta([1, 2, 3]) + delta([4]) + done;
    for (let cutAt = 0; cutAt <= text.length; cutAt += 1) {
      const { audio, facts, mediaType } = hear(text, cutAt);
      expect([...audio]).toEqual([1, 2, 3, 4]);
      expect(mediaType).toBe("audio/wav");
      expect(facts?.usage).toMatchObject({ inputTokens: 5, outputTokens: 40, audioOutputTokens: 40 });
    }
  });

  it("in events that lack the last one was cut", () => {
    expect(() => hear(delta([1]), 0)).toThrow(expect.objectContaining({ kind: "interrupted" }));
  });

  it("with an error among its events is that error", () => {
    const error = `data: ${JSON.stringify({ type: "error", error: { message: "slow down", code: "rate_limit_exceeded" } })}\n\n`;
    expect(() => hear(delta([1]) + error, 0)).toThrow(expect.objectContaining({ kind: "rate-limited" }));
  });

  it("as bytes is passed on as it is, under the type that the provider gives", () => {
    const reader = providers.compatible.speech?.createReader({ "content-type": "audio/mpeg" }, speechRequest);
    expect(reader?.mediaType).toBe("audio/mpeg");
    expect(reader?.read(new Uint8Array([9]))).toEqual([new Uint8Array([9])]);
    expect(reader?.finish().usage).toBeUndefined();
  });

  it.each(["text/html", "application/json"])("is not taken from an answer of type %s", (type) => {
    const read = () => providers.compatible.speech?.createReader({ "content-type": type }, speechRequest);
    expect(read).toThrow(expect.objectContaining({ kind: "bad-response" }));
  });
});

describe("transcripts", () => {
  it("of Whisper have times, a language as a tag, and a bill by the second", () => {
    const body = {
      text: "Hello there",
      language: "german",
      duration: 1.5,
      segments: [{ id: 0, start: 0, end: 1.5, text: " Hello there", avg_logprob: 0 }],
      words: [{ word: "Hello", start: 0.25, end: 0.5 }],
      usage: { type: "duration", seconds: 2 },
    };
    const read = providers.openai.transcribe?.fromHttpResponse(answer(body), transcribeRequest, context);
    expect([read?.text, read?.languageCode, read?.durationMs]).toEqual(["Hello there", "de", 1_500]);
    expect(read?.segments).toMatchObject([{ text: "Hello there", confidence: 1, endOffset: { seconds: 1n } }]);
    expect(read?.words).toMatchObject([{ text: "Hello", startOffset: { nanos: 250_000_000 } }]);
    expect(read?.usage).toMatchObject({ inputAudioDuration: { seconds: 2n } });
  });

  it("of the later models are billed by tokens, and tell speakers apart where they do", () => {
    const segments = [{ type: "transcript.text.segment", start: 0, end: 1, text: "Hi", speaker: "A" }];
    const usage = { type: "tokens", input_tokens: 20, output_tokens: 3, input_token_details: { audio_tokens: 18 } };
    const read = providers.openai.transcribe?.fromHttpResponse(
      answer({ text: "Hi", segments, usage }),
      transcribeRequest,
      context,
    );
    expect(read?.segments).toMatchObject([{ text: "Hi", speaker: "A" }]);
    expect(read?.usage).toMatchObject({ inputTokens: 20, outputTokens: 3, audioInputTokens: 18 });
  });

  it("with times that cannot be have none", () => {
    const body = { text: "Hi", duration: -1, words: [{ word: "Hi", start: "soon", end: 1e99 }] };
    const read = providers.openai.transcribe?.fromHttpResponse(answer(body), transcribeRequest, context);
    expect(read?.durationMs).toBeUndefined();
    expect(read?.words[0]?.startOffset).toBeUndefined();
    expect(read?.words[0]?.endOffset).toBeUndefined();
    expect(read?.usage).toBeUndefined();
  });
});
