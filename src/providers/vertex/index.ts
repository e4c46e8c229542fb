// Vertex AI (cloud.google.com/vertex-ai/generative-ai/docs/reference/rest). Two publishers: Google's models speak
// generateContent, Anthropic's the Messages API with the model in the path.
import type { HttpHeaders } from "../../domain/http.ts";
import { toCountBody } from "../anthropic/count-body.ts";
import { toMessagesBody } from "../anthropic/messages-body.ts";
import { createMessagesReader } from "../anthropic/reader.ts";
import { fromMessage, fromTokenCount as fromMessageTokenCount } from "../anthropic/response.ts";
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { addGoogleCredential } from "../gemini/credential.ts";
import { toFailure } from "../gemini/failure.ts";
import { toGenerateBody } from "../gemini/generate-body.ts";
import { createGeminiImages } from "../gemini/generate-images.ts";
import { createGenerateReader } from "../gemini/reader.ts";
import { fromGenerateResponse, fromTokenCount } from "../gemini/response.ts";
import { toServerTimeout } from "../gemini/server-timeout.ts";
import { type JsonOutObject, writeJson } from "../json-writer.ts";
import type { ChatOperation, CountTokensOperation, Provider, ProviderSettings, Translation } from "../provider.ts";
import { createVertexEmbed } from "./embed.ts";
import { toPublisherFailure } from "./failure.ts";

const name = "gcp.vertex_ai";
const stateProvider = "vertex";

/**
 * `settings.project` is needed; `settings.location` (or `region`) defaults to "global", `settings.publisher` to "google",
 * `settings.apiVersion` to "v1".
 */
export function createVertexProvider(settings: ProviderSettings): Provider {
  const publisher = settings.publisher ?? "google";
  if (publisher !== "google" && publisher !== "anthropic") throw new Error(`publisher "${publisher}" is not known`);
  const aliases = [...new Set([stateProvider, name, settings.kind, settings.id])];
  const send = createSender(settings, publisher);
  const operations = publisher === "google" ? createGoogle(send, aliases) : createAnthropic(send, aliases);
  const failure = publisher === "google" ? toFailure : toPublisherFailure;
  return { name, aliases, authorise: addGoogleCredential, toFailure: failure, ...operations };
}

/** Makes the request for a method of a model, e.g. "rawPredict". */
type Sender = (model: string, method: string, body: JsonOutObject, headers?: HttpHeaders) => SentRequest;
type SentRequest = Extract<Translation, { kind: "request" }>["request"];
type Operations = Pick<Provider, "embed" | "generateImages"> & {
  readonly chat: ChatOperation;
  readonly countTokens: CountTokensOperation;
};

function createSender(settings: ProviderSettings, publisher: string): Sender {
  const { project } = settings;
  if (project === undefined || project === "") throw new Error("project is needed for Vertex AI");
  const location = settings.location ?? settings.region ?? "global";
  const base = parseBaseUrl(settings.baseUrl ?? `https://${hostOf(location)}`);
  const root = `/${settings.apiVersion ?? "v1"}/projects/${project}/locations/${location}/publishers/${publisher}/models`;
  return (model, method, body, headers = {}) => ({
    method: "POST",
    origin: base.origin,
    path: pathBelow(base, `${root}/${toPathSegment(model)}:${method}`),
    headers: { "content-type": "application/json", ...headers },
    body: writeJson(body),
  });
}

/** "claude-opus-4@20250514": versions follow an @, which Google's own clients leave as it is. */
function toPathSegment(model: string): string {
  return encodeURIComponent(model).replaceAll("%40", "@");
}

/** "Locations": the global endpoint has no prefix, the two multi-regions have hosts of their own. */
function hostOf(location: string): string {
  if (location === "global") return "aiplatform.googleapis.com";
  if (location === "us" || location === "eu") return `aiplatform.${location}.rep.googleapis.com`;
  return `${location}-aiplatform.googleapis.com`;
}

function createGoogle(send: Sender, aliases: readonly string[]): Operations {
  const dialect = { aliases: ["google", ...aliases], isDeveloperApi: false };
  return {
    chat: {
      framing: "sse",
      toHttpRequest(request, mode, context) {
        const made = toGenerateBody(request, context, dialect);
        if (made.kind === "unsupported") return made;
        const method = mode === "stream" ? "streamGenerateContent?alt=sse" : "generateContent";
        const sent = send(context.model, method, made.body, toServerTimeout(context));
        return { kind: "request", request: sent, warnings: made.log.warnings };
      },
      fromHttpResponse: (response, context) => fromGenerateResponse(response.body, context, stateProvider),
      createReader: (context) => createGenerateReader(context, stateProvider),
    },
    countTokens: {
      toHttpRequest(request, context) {
        const made = toGenerateBody(request, context, dialect);
        if (made.kind === "unsupported") return made;
        const { contents, systemInstruction, tools } = made.body;
        const body = { contents, systemInstruction, tools };
        return { kind: "request", request: send(context.model, "countTokens", body), warnings: made.log.warnings };
      },
      fromHttpResponse: (response) => fromTokenCount(response.body),
    },
    embed: createVertexEmbed({ aliases: dialect.aliases, send }),
    generateImages: createGeminiImages({ aliases: dialect.aliases, source: name, send }),
  };
}

/** "Use Anthropic's Claude models": no `model` in the body, this in its place. */
const anthropicVersion = "vertex-2023-10-16";

function createAnthropic(send: Sender, aliases: readonly string[]): Operations {
  const names = ["anthropic", ...aliases];
  return {
    chat: {
      framing: "sse",
      toHttpRequest(request, mode, context) {
        const made = toMessagesBody(request, context, names);
        if (made.kind === "unsupported") return made;
        const isStream = mode === "stream";
        const body = { anthropic_version: anthropicVersion, ...made.body, stream: isStream ? true : undefined };
        const method = isStream ? "streamRawPredict" : "rawPredict";
        return {
          kind: "request",
          request: send(context.model, method, body, toBetaHeader(made.betas)),
          warnings: made.log.warnings,
        };
      },
      fromHttpResponse: (response, context) => fromMessage(response.body, context),
      createReader: createMessagesReader,
    },
    countTokens: {
      toHttpRequest(request, context) {
        const made = toMessagesBody(request, context, names);
        if (made.kind === "unsupported") return made;
        const body = toCountBody({ model: context.model, ...made.body });
        // A model of its own name counts for all ("Count tokens for Claude models").
        const counted = send("count-tokens", "rawPredict", body, toBetaHeader(made.betas));
        return { kind: "request", request: counted, warnings: made.log.warnings };
      },
      fromHttpResponse: (response) => fromMessageTokenCount(response.body),
    },
  };
}

function toBetaHeader(betas: readonly string[]): HttpHeaders {
  return betas.length === 0 ? {} : { "anthropic-beta": betas.join(",") };
}
