// What each provider makes of each operation that is not chat, kept as files. Rewrite them with `vitest -u`, and commit the
// change only with the reason for it.
import { expect, it } from "vitest";
import { WarningKind } from "../../src/contract.ts";
import type { HttpRequest } from "../../src/domain/http.ts";
import type { ProviderSettings, Translation } from "../../src/providers/provider.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { neutralOperations } from "./neutral-operations.ts";

type Golden = {
  readonly settings: ProviderSettings;
  /** Models by the first word of a feature; a feature without a model of its provider is left out. */
  readonly models: Readonly<Record<string, readonly string[]>>;
};

const goldens: readonly Golden[] = [
  {
    settings: { id: "openai", kind: "openai" },
    models: {
      embed: ["text-embedding-3-small"],
      moderate: ["omni-moderation-latest"],
      images: ["gpt-image-1", "dall-e-3"],
      speech: ["gpt-4o-mini-tts", "tts-1"],
      transcribe: ["whisper-1", "gpt-4o-transcribe", "gpt-4o-transcribe-diarize"],
      translate: ["whisper-1", "gpt-4o-transcribe"],
    },
  },
  {
    settings: {
      id: "azure",
      kind: "azure-openai",
      baseUrl: "https://acme.openai.azure.com",
      apiVersion: "2024-10-21",
    },
    models: { embed: ["my-embeddings"], images: ["my-images"], transcribe: ["my-whisper"] },
  },
  {
    settings: { id: "local", kind: "openai-compatible", dialect: "vllm", baseUrl: "http://vllm.local/v1" },
    models: {
      embed: ["bge-m3"],
      rerank: ["bge-reranker"],
      images: ["flux"],
      speech: ["kokoro"],
      transcribe: ["whisper-large-v3"],
    },
  },
  {
    settings: { id: "google-ai", kind: "gemini" },
    models: {
      embed: ["gemini-embedding-001", "gemini-embedding-2"],
      images: ["gemini-2.5-flash-image", "imagen-4.0-generate-001"],
    },
  },
  {
    settings: { id: "vertex", kind: "vertex", project: "acme", location: "europe-west4" },
    models: {
      embed: ["text-embedding-005", "gemini-embedding-001", "gemini-embedding-2"],
      images: ["imagen-4.0-generate-001"],
    },
  },
  { settings: { id: "cohere", kind: "cohere" }, models: { embed: ["embed-v4.0"], rerank: ["rerank-v3.5"] } },
  {
    settings: { id: "mistral", kind: "mistral" },
    models: { embed: ["mistral-embed", "codestral-embed"], moderate: ["mistral-moderation-latest"] },
  },
  {
    settings: { id: "bedrock", kind: "bedrock", region: "us-east-1" },
    models: {
      embed: ["amazon.titan-embed-text-v2:0", "cohere.embed-v4:0", "amazon.nova-pro-v1:0"],
      rerank: ["cohere.rerank-v3-5:0", "amazon.rerank-v1:0", "cohere.command-r-v1:0"],
    },
  },
  { settings: { id: "ollama", kind: "ollama" }, models: { embed: ["nomic-embed-text"] } },
];

it.each(Object.entries(neutralOperations))("%s becomes what stands in its file", async (feature, operation) => {
  const sections = goldens.flatMap(({ settings, models }) => {
    const provider = createProvider(settings);
    return (models[feature.split("-", 1)[0] ?? ""] ?? []).map(
      (model) => `── ${settings.id} ${model}\n${render(operation(provider, { model, facts: {} }))}`,
    );
  });
  await expect(sections.join("\n")).toMatchFileSnapshot(`operations/${feature}.txt`);
});

function render(translation: Translation | undefined): string {
  if (translation === undefined) return "cannot\n";
  if (translation.kind === "unsupported") {
    return translation.violations.map(({ field, description }) => `unsupported: ${field}: ${description}\n`).join("");
  }
  const { request, rest = [], warnings } = translation;
  const said = warnings.map(({ kind, field, message }) => `warning: ${nameOf(kind)} ${field}: ${message}`);
  return [...said, ...[request, ...rest].map(renderRequest), ""].join("\n");
}

function renderRequest({ method, origin, path, headers, body }: HttpRequest): string {
  const shown = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${origin}${path}`, ...shown, Buffer.from(body).toString("latin1").replaceAll("\r\n", "\n")].join(
    "\n",
  );
}

function nameOf(kind: WarningKind): string {
  return Object.entries(WarningKind).find(([, value]) => value === kind)?.[0] ?? String(kind);
}
