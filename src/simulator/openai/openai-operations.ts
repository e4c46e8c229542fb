import type { JsonRecord } from "../../wire/json.ts";
import { type Asked, type Route, WireProblem } from "../wire.ts";
import { readEmbeddings } from "./embeddings.ts";
import { readImageEdits, readImages } from "./images.ts";
import { readModerations } from "./moderations.ts";
import { readRerank } from "./rerank.ts";
import { readSpeech } from "./speech.ts";
import { readTranscriptions, readTranslations } from "./transcriptions.ts";

type Operation = { readonly path: string; readonly isForm: boolean; readonly read: (body: JsonRecord) => Asked };

/** One line an operation; the path is its last words, as with chat completions. */
const operations: readonly Operation[] = [
  { path: "/embeddings", isForm: false, read: readEmbeddings },
  { path: "/rerank", isForm: false, read: readRerank },
  { path: "/moderations", isForm: false, read: (body) => readModerations(body) },
  { path: "/images/generations", isForm: false, read: readImages },
  { path: "/images/edits", isForm: true, read: readImageEdits },
  { path: "/audio/speech", isForm: false, read: readSpeech },
  { path: "/audio/transcriptions", isForm: true, read: readTranscriptions },
  { path: "/audio/translations", isForm: true, read: readTranslations },
];

export function openAiOperationRoute(path: string): Route | undefined {
  // Cohere's own, which has the same last word.
  if (path.endsWith("/v2/rerank")) return undefined;
  const found = operations.find((operation) => path.endsWith(operation.path));
  return found === undefined ? undefined : { kind: "chat", operation: found.path, isForm: found.isForm };
}

export function readOpenAiOperation(path: string, body: JsonRecord): Asked {
  const found = operations.find((operation) => operation.path === path);
  if (found === undefined) throw new WireProblem(`there is no operation ${path}`);
  return found.read(body);
}
