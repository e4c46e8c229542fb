import { asArray, asObject, type JsonRecord } from "../../wire/json.ts";
import { type Asked, type FaultAnswer, type Route, type SimulatedWire, type WireFault, WireProblem } from "../wire.ts";
import { toGenerateContent, toGenerateContentFrames } from "./gemini-answer.ts";
import { readGeminiOperation, toGeminiOperation } from "./gemini-operations.ts";
import { readGeminiQuestion } from "./gemini-question.ts";

/** Google's Gemini API, on its own and on Vertex AI. */
export const geminiWire: SimulatedWire = {
  name: "gemini",
  route,
  read,
  count,
  fault,
  listModels: (models) =>
    JSON.stringify({ models: models.map((name) => ({ name: `models/${name}`, displayName: name })) }),
};

const action = /\/models\/([^/:]+):(generateContent|streamGenerateContent|countTokens)$/;
const operationAction = /\/models\/([^/:]+):(batchEmbedContents|embedContent|predict)$/;

function route(method: string, path: string): Route | undefined {
  if (method === "GET" && path.endsWith("/models")) return { kind: "models" };
  const [, operated, operation] = (method === "POST" ? operationAction.exec(path) : null) ?? [];
  if (operated !== undefined) return { kind: "chat", model: decodeURIComponent(operated), operation };
  const [, model, verb] = (method === "POST" ? action.exec(path) : null) ?? [];
  if (model === undefined) return undefined;
  const kind = verb === "countTokens" ? "count" : "chat";
  return { kind, model: decodeURIComponent(model), stream: verb === "streamGenerateContent" };
}

/** Streams as server-sent events only, as with `alt=sse`. */
function read(body: JsonRecord, { model, stream, operation }: Route): Asked {
  const named = operation === undefined ? undefined : toGeminiOperation(operation);
  if (named !== undefined) return readGeminiOperation(named, body, model ?? "");
  if (asksForPictures(body)) return readGeminiOperation("draw", body, model ?? "");
  return {
    question: readGeminiQuestion(body, model ?? ""),
    stream: stream ?? false,
    contentType: { unary: "application/json; charset=UTF-8", stream: "text/event-stream" },
    toUnary: toGenerateContent,
    toFrames: toGenerateContentFrames,
    // Bare JSON between the events, as Vertex AI was seen to send it.
    toErrorFrame: () => ({
      bytes: `${toError({ status: 503, message: "The model is overloaded." })}\r\n`,
      piece: false,
    }),
  };
}

function asksForPictures(body: JsonRecord): boolean {
  const modalities = asArray(asObject(body["generationConfig"])?.["responseModalities"]);
  return modalities?.length === 1 && modalities[0] === "IMAGE";
}

function count(body: JsonRecord, { model }: Route): string {
  const nested = body["generateContentRequest"];
  const request = typeof nested === "object" && nested !== null ? { ...nested } : body;
  if (model === undefined) throw new WireProblem("model is required");
  return JSON.stringify({ totalTokens: readGeminiQuestion(request, model).inputTokens });
}

/** `google.rpc.Code` by HTTP status (Google APIs, "Errors"). */
const codesByStatus: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

/** The wait stands in the details; there is no header for it. */
function fault(given: WireFault): FaultAnswer {
  return { headers: {}, body: toError(given) };
}

function toError({ status, message, retryAfterSeconds }: WireFault): string {
  const details =
    retryAfterSeconds === undefined
      ? {}
      : { details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${retryAfterSeconds}s` }] };
  const code = codesByStatus[status] ?? (status < 500 ? "FAILED_PRECONDITION" : "INTERNAL");
  return JSON.stringify({ error: { code: status, message, status: code, ...details } });
}
