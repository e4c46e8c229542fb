// Amazon Bedrock (docs.aws.amazon.com/bedrock/latest/APIReference, "Amazon Bedrock Runtime"). Two APIs: Converse for every
// model, and InvokeModel for Anthropic's models in their own words.
import type { CompleteRequest } from "../../contract.ts";
import type { HttpHeaders } from "../../domain/http.ts";
import { traitsOf } from "../anthropic/model-traits.ts";
import { fromMessage } from "../anthropic/response.ts";
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { toBase64 } from "../data-url.ts";
import { type JsonOutObject, writeJson } from "../json-writer.ts";
import type {
  ChatOperation,
  CountTokensOperation,
  ProviderFactory,
  ProviderSettings,
  Translation,
  TranslationContext,
} from "../provider.ts";
import { authorise } from "./authorise.ts";
import { toConverseBody } from "./converse-body.ts";
import { createConverseReader } from "./converse-reader.ts";
import { fromConverse, fromTokenCount } from "./converse-response.ts";
import { createBedrockEmbed } from "./embed.ts";
import { toFailure } from "./failure.ts";
import { toInvokeBody } from "./invoke-body.ts";
import { createInvokeReader } from "./invoke-reader.ts";
import { familyOf } from "./model-family.ts";
import { createBedrockRerank } from "./rerank.ts";
import { bedrockName } from "./wire.ts";

/**
 * `settings.region` is needed: requests are signed for it. `settings.baseUrl` replaces the region's own address,
 * `settings.api` is "converse" (the default) or "invoke". Throws one readable line when the settings make no sense.
 */
export const createBedrockProvider: ProviderFactory = (settings) => {
  const region = settings.region ?? "";
  if (!/^[a-z0-9-]+$/.test(region))
    throw new Error(`provider "${settings.id}": bedrock needs a region, e.g. us-east-1`);
  const aliases = [...new Set([bedrockName, "bedrock", settings.id])];
  const send = createSender(settings, region);
  return {
    name: bedrockName,
    aliases,
    authorise: (request, credential, nowMs) => authorise(request, credential, region, nowMs),
    toFailure,
    ...toOperations(settings, send, aliases),
    embed: createBedrockEmbed(send, aliases),
    rerank: createBedrockRerank(send, aliases),
  };
};

type Operations = { readonly chat: ChatOperation; readonly countTokens: CountTokensOperation };

function toOperations(settings: ProviderSettings, send: Sender, aliases: readonly string[]): Operations {
  switch (settings.api ?? "converse") {
    case "converse":
      return createConverse(send, aliases);
    case "invoke":
      return createInvoke(send, aliases);
    default:
      throw new Error(`provider "${settings.id}": api "${settings.api}" is not known; known: converse, invoke`);
  }
}

/** Makes the request for an action of a model, e.g. "converse-stream". */
type Sender = (model: string, action: string, body: JsonOutObject, headers?: HttpHeaders) => SentRequest;
type SentRequest = Extract<Translation, { kind: "request" }>["request"];

function createSender(settings: ProviderSettings, region: string): Sender {
  const base = parseBaseUrl(settings.baseUrl ?? `https://bedrock-runtime.${region}.${domainOf(region)}`);
  return (model, action, body, headers = {}) => ({
    method: "POST",
    origin: base.origin,
    path: pathBelow(base, `/model/${encodeURIComponent(model)}/${action}`),
    headers: { "content-type": "application/json", ...headers },
    body: writeJson(body),
  });
}

/** "AWS service endpoints": China has a domain of its own. */
function domainOf(region: string): string {
  return region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
}

/** Of the other vendors' models it is not documented. */
function claudeContinues(model: string): boolean {
  return familyOf(model).name === "claude" && traitsOf(model).prefill;
}

function createConverse(send: Sender, aliases: readonly string[]): Operations {
  return {
    chat: {
      framing: "aws-event-stream",
      toHttpRequest(request, mode, context) {
        const made = toConverseBody(request, context, aliases);
        if (made.kind === "unsupported") return made;
        const action = mode === "stream" ? "converse-stream" : "converse";
        return { kind: "request", request: send(context.model, action, made.body), warnings: made.log.warnings };
      },
      fromHttpResponse: (response, context) => fromConverse(response.body, context),
      createReader: createConverseReader,
      continues: claudeContinues,
    },
    countTokens: {
      toHttpRequest(request, context) {
        const made = toConverseBody(request, context, aliases);
        if (made.kind === "unsupported") return made;
        // "ConverseTokensRequest" has these members only.
        const { messages, system, toolConfig, additionalModelRequestFields } = made.body;
        const converse = { messages, system, toolConfig, additionalModelRequestFields };
        return {
          kind: "request",
          request: send(context.model, "count-tokens", { input: { converse } }),
          warnings: made.log.warnings,
        };
      },
      fromHttpResponse: (response) => fromTokenCount(response.body),
    },
  };
}

function createInvoke(send: Sender, aliases: readonly string[]): Operations {
  function translate(
    request: CompleteRequest,
    context: TranslationContext,
    action: string,
    shape: (body: JsonOutObject) => JsonOutObject,
  ): Translation {
    const made = toInvokeBody(request, context, aliases);
    if (made.kind === "unsupported") return made;
    const headers = request.serviceTier === "" ? {} : { "x-amzn-bedrock-service-tier": request.serviceTier };
    return {
      kind: "request",
      request: send(context.model, action, shape(made.body), headers),
      warnings: made.log.warnings,
    };
  }
  return {
    chat: {
      framing: "aws-event-stream",
      toHttpRequest: (request, mode, context) =>
        translate(request, context, mode === "stream" ? "invoke-with-response-stream" : "invoke", (body) => body),
      fromHttpResponse: (response, context) => fromMessage(response.body, context),
      createReader: createInvokeReader,
      continues: claudeContinues,
    },
    countTokens: {
      toHttpRequest: (request, context) =>
        translate(request, context, "count-tokens", (body) => ({
          input: { invokeModel: { body: toBase64(new TextEncoder().encode(writeJson(body))) } },
        })),
      fromHttpResponse: (response) => fromTokenCount(response.body),
    },
  };
}
