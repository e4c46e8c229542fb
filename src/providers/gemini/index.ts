// The Gemini API of Google AI Studio (ai.google.dev/api/generate-content).
import type { CompleteRequest } from "../../contract.ts";
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { type JsonOutObject, writeJson } from "../json-writer.ts";
import { postJson } from "../post-json.ts";
import type { Provider, ProviderSettings, Translation, TranslationContext } from "../provider.ts";
import { addGoogleCredential } from "./credential.ts";
import { createGeminiEmbed } from "./embed.ts";
import { toFailure } from "./failure.ts";
import { toGenerateBody } from "./generate-body.ts";
import { createGeminiImages } from "./generate-images.ts";
import { createGenerateReader } from "./reader.ts";
import { fromGenerateResponse, fromTokenCount } from "./response.ts";
import { toServerTimeout } from "./server-timeout.ts";

const stateProvider = "gemini";

/** `settings.baseUrl` defaults to https://generativelanguage.googleapis.com, `settings.apiVersion` to "v1beta". */
export function createGeminiProvider(settings: ProviderSettings): Provider {
  const base = parseBaseUrl(settings.baseUrl ?? "https://generativelanguage.googleapis.com");
  const version = settings.apiVersion ?? "v1beta";
  const name = "gcp.gemini";
  const aliases = [...new Set(["google", stateProvider, name, settings.kind, settings.id])];

  const pathOf = (model: string, method: string) => pathBelow(base, `/${version}/${toModelPath(model)}:${method}`);

  function translate(
    request: CompleteRequest,
    context: TranslationContext,
    method: string,
    shape: (body: JsonOutObject) => JsonOutObject,
  ): Translation {
    const made = toGenerateBody(request, context, { aliases, isDeveloperApi: true });
    if (made.kind === "unsupported") return made;
    const path = pathOf(context.model, method);
    const headers = { "content-type": "application/json", ...toServerTimeout(context) };
    const body = writeJson(shape(made.body));
    return {
      kind: "request",
      request: { method: "POST", origin: base.origin, path, headers, body },
      warnings: made.log.warnings,
    };
  }

  return {
    name,
    aliases,
    authorise: addGoogleCredential,
    toFailure,
    chat: {
      framing: "sse",
      toHttpRequest: (request, mode, context) => {
        const method = mode === "stream" ? "streamGenerateContent?alt=sse" : "generateContent";
        return translate(request, context, method, (body) => body);
      },
      fromHttpResponse: (response, context) => fromGenerateResponse(response.body, context, stateProvider),
      createReader: (context) => createGenerateReader(context, stateProvider),
    },
    countTokens: {
      toHttpRequest: (request, context) =>
        translate(request, context, "countTokens", (body) => ({
          generateContentRequest: { model: toModelPath(context.model), ...body },
        })),
      fromHttpResponse: (response) => fromTokenCount(response.body),
    },
    embed: createGeminiEmbed({ aliases, origin: base.origin, pathOf, nameOf: toModelPath }),
    generateImages: createGeminiImages({
      aliases,
      source: name,
      send: (model, method, body) => postJson(base.origin, pathOf(model, method), body),
    }),
  };
}

/** "gemini-2.5-flash" to "models/gemini-2.5-flash"; "tunedModels/…" stays. */
function toModelPath(model: string): string {
  const path = model.includes("/") ? model : `models/${model}`;
  return path.split("/").map(encodeURIComponent).join("/");
}
