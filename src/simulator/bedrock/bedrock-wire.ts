import { asObject, asString, type JsonRecord, parseJson } from "../../wire/json.ts";
import { anthropicWire } from "../anthropic/anthropic-wire.ts";
import { readMessagesQuestion } from "../anthropic/messages-question.ts";
import { readCohereEmbed, readCohereRerank } from "../cohere/cohere-operations.ts";
import {
  type Asked,
  type FaultAnswer,
  type Route,
  retryAfterHeader,
  type SimulatedWire,
  type WireFault,
  WireProblem,
} from "../wire.ts";
import { toConverse, toConverseFrames, toThrottlingFrame } from "./converse-answer.ts";
import { readConverseQuestion } from "./converse-question.ts";
import { toInvokeFrames } from "./invoke-answer.ts";
import { readTitanEmbed } from "./titan-embed.ts";
import { verifySignature } from "./verify-signature.ts";

/** Amazon Bedrock's Converse and InvokeModel, the latter for Anthropic's models and for those that embed or rank. */
export const bedrockWire: SimulatedWire = {
  name: "bedrock",
  route,
  read,
  count,
  fault,
  verify: verifySignature,
  listModels: (models) => JSON.stringify({ modelSummaries: models.map((modelId) => ({ modelId })) }),
};

const contentType = { unary: "application/json", stream: "application/vnd.amazon.eventstream" } as const;

const action = /\/model\/([^/]+)\/(converse|converse-stream|invoke|invoke-with-response-stream|count-tokens)$/;

function route(method: string, path: string): Route | undefined {
  if (method === "GET" && path.endsWith("/foundation-models")) return { kind: "models" };
  const [, model, verb] = (method === "POST" ? action.exec(path) : null) ?? [];
  if (model === undefined) return undefined;
  return {
    kind: verb === "count-tokens" ? "count" : "chat",
    model: decodeURIComponent(model),
    stream: verb?.endsWith("-stream"),
    operation: verb?.startsWith("invoke") ? "invoke" : undefined,
  };
}

function read(body: JsonRecord, route: Route): Asked {
  const { model, stream, operation } = route;
  if (operation === "invoke") {
    const other = readOtherInvoke(body, model);
    if (other !== undefined) return other;
    const streamed = { toFrames: toInvokeFrames, toErrorFrame: toThrottlingFrame };
    return { ...anthropicWire.read(body, route), contentType, ...streamed };
  }
  return {
    question: readConverseQuestion(body, model ?? ""),
    stream: stream ?? false,
    contentType,
    toUnary: toConverse,
    toFrames: toConverseFrames,
    toErrorFrame: toThrottlingFrame,
  };
}

/** InvokeModel of models that do not chat, told apart by what their bodies hold; `undefined`: it is a chat. */
function readOtherInvoke(body: JsonRecord, model: string | undefined): Asked | undefined {
  if ("inputText" in body) return readTitanEmbed(body, model);
  if ("texts" in body || "inputs" in body) return readCohereEmbed(body, model);
  return "query" in body && "documents" in body ? readCohereRerank(body, model) : undefined;
}

/** The body of InvokeModel is in base64. */
function count(body: JsonRecord, { model }: Route): string {
  const input = asObject(body["input"]);
  const invoked = asString(asObject(input?.["invokeModel"])?.["body"]);
  if (invoked !== undefined) {
    const messages = readInvoked(invoked);
    return JSON.stringify({ inputTokens: readMessagesQuestion({ ...messages, model }, false).inputTokens });
  }
  const request = asObject(input?.["converse"]) ?? {};
  return JSON.stringify({ inputTokens: readConverseQuestion(request, model ?? "").inputTokens });
}

function readInvoked(base64: string): JsonRecord {
  try {
    const body = asObject(parseJson(Buffer.from(base64, "base64").toString()));
    if (body !== undefined) return body;
  } catch {
    // The same answer as to JSON that is no object, below.
  }
  throw new WireProblem("Malformed input request, please reformat your input and try again.");
}

/** Amazon Bedrock API reference, "Converse", errors. */
const typesByStatus: Readonly<Record<number, string>> = {
  400: "ValidationException",
  401: "UnrecognizedClientException",
  403: "AccessDeniedException",
  404: "ResourceNotFoundException",
  408: "ModelTimeoutException",
  424: "ModelErrorException",
  429: "ThrottlingException",
  500: "InternalServerException",
  503: "ServiceUnavailableException",
};

/** The type stands in a header, with an address behind it that is to be cut off. */
function fault(given: WireFault): FaultAnswer {
  const type = typesByStatus[given.status] ?? (given.status < 500 ? "ValidationException" : "InternalServerException");
  const headers = { "x-amzn-errortype": `${type}:http://internal.amazon.com/coral/com.amazon.bedrock/` };
  return { headers: { ...headers, ...retryAfterHeader(given) }, body: JSON.stringify({ message: given.message }) };
}
