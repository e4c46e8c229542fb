import { asObject, type JsonRecord } from "../../wire/json.ts";
import {
  type Asked,
  type FaultAnswer,
  type Route,
  retryAfterHeader,
  type SimulatedWire,
  type WireFault,
} from "../wire.ts";
import { toConverse, toConverseFrames, toThrottlingFrame } from "./converse-answer.ts";
import { readConverseQuestion } from "./converse-question.ts";
import { verifySignature } from "./verify-signature.ts";

/** Amazon Bedrock's Converse and ConverseStream. */
export const bedrockWire: SimulatedWire = {
  name: "bedrock",
  route,
  read,
  count,
  fault,
  verify: verifySignature,
  listModels: (models) => JSON.stringify({ modelSummaries: models.map((modelId) => ({ modelId })) }),
};

const action = /\/model\/([^/]+)\/(converse|converse-stream|count-tokens)$/;

function route(method: string, path: string): Route | undefined {
  if (method === "GET" && path.endsWith("/foundation-models")) return { kind: "models" };
  const [, model, verb] = (method === "POST" ? action.exec(path) : null) ?? [];
  if (model === undefined) return undefined;
  return {
    kind: verb === "count-tokens" ? "count" : "chat",
    model: decodeURIComponent(model),
    stream: verb === "converse-stream",
  };
}

function read(body: JsonRecord, { model, stream }: Route): Asked {
  return {
    question: readConverseQuestion(body, model ?? ""),
    stream: stream ?? false,
    contentType: { unary: "application/json", stream: "application/vnd.amazon.eventstream" },
    toUnary: toConverse,
    toFrames: toConverseFrames,
    toErrorFrame: toThrottlingFrame,
  };
}

function count(body: JsonRecord, { model }: Route): string {
  const request = asObject(asObject(body["input"])?.["converse"]) ?? {};
  return JSON.stringify({ inputTokens: readConverseQuestion(request, model ?? "").inputTokens });
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
