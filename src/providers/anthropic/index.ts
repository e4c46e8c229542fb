// Anthropic's Messages API (platform.claude.com/docs/en/api/messages).
import type { CompleteRequest } from "../../contract.ts";
import type { Credential } from "../../domain/credential.ts";
import type { HttpHeaders, HttpRequest } from "../../domain/http.ts";
import { type BaseUrl, parseBaseUrl, pathBelow } from "../base-url.ts";
import { withBearer, withHeader } from "../bearer-credential.ts";
import { type JsonOutObject, writeJson } from "../json-writer.ts";
import type { Provider, ProviderSettings, Translation, TranslationContext } from "../provider.ts";
import { toCountBody } from "./count-body.ts";
import { toFailure } from "./failure.ts";
import { toMessagesBody } from "./messages-body.ts";
import { traitsOf } from "./model-traits.ts";
import { createMessagesReader } from "./reader.ts";
import { fromMessage, fromTokenCount } from "./response.ts";

/** `settings.baseUrl` defaults to https://api.anthropic.com. */
export function createAnthropicProvider(settings: ProviderSettings): Provider {
  const base = parseBaseUrl(settings.baseUrl ?? "https://api.anthropic.com");
  const version = settings.apiVersion ?? "2023-06-01";
  const aliases = [...new Set([settings.kind, "anthropic", settings.id])];

  function translate(
    request: CompleteRequest,
    context: TranslationContext,
    path: string,
    shape: (body: JsonOutObject) => JsonOutObject,
  ): Translation {
    const made = toMessagesBody(request, context, aliases);
    if (made.kind === "unsupported") return made;
    const headers = toHeaders(version, made.betas);
    const body = writeJson(shape({ model: context.model, ...made.body }));
    return { kind: "request", request: toRequest(base, path, headers, body), warnings: made.log.warnings };
  }

  return {
    name: "anthropic",
    aliases,
    authorise: addCredential,
    toFailure,
    chat: {
      framing: "sse",
      toHttpRequest: (request, mode, context) =>
        translate(request, context, "/v1/messages", (body) => ({
          ...body,
          stream: mode === "stream" ? true : undefined,
        })),
      fromHttpResponse: (response, context) => fromMessage(response.body, context),
      createReader: createMessagesReader,
      continues: (model) => traitsOf(model).prefill,
    },
    countTokens: {
      toHttpRequest: (request, context) => translate(request, context, "/v1/messages/count_tokens", toCountBody),
      fromHttpResponse: (response) => fromTokenCount(response.body),
    },
  };
}

function toHeaders(version: string, betas: readonly string[]): HttpHeaders {
  const headers = { "content-type": "application/json", "anthropic-version": version };
  return betas.length === 0 ? headers : { ...headers, "anthropic-beta": betas.join(",") };
}

function toRequest(base: BaseUrl, path: string, headers: HttpHeaders, body: string): HttpRequest {
  return { method: "POST", origin: base.origin, path: pathBelow(base, path), headers, body };
}

/** A key goes into a header of its own, an OAuth token into `authorization`. */
function addCredential(request: HttpRequest, credential: Credential): HttpRequest {
  if (credential.kind === "api-key") return withHeader(request, "x-api-key", credential.value);
  return withBearer(request, credential);
}
