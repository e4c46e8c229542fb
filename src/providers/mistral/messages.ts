// Messages in OpenAI's form to Mistral's, which has its own words for documents, sound and thinking, and refuses members
// that it does not know.
import { parseDataUrl } from "../data-url.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";

/** `message` as `compatible/request-messages.ts` makes it for the dialect of this folder. */
export function toMistralMessage(message: JsonOutObject, log: TranslationLog): JsonOutObject {
  const { reasoning_content: reasoning, refusal, content, ...rest } = message;
  const chunks = [...toThinking(reasoning), ...toChunks(content, log), ...toChunks(refusal, log)];
  const [only] = chunks;
  const isPlain = chunks.length === 1 && only !== undefined && isTextAlone(only);
  return { ...rest, content: isPlain ? only["text"] : chunks.length === 0 ? "" : chunks };
}

type Chunk = JsonOutObject | RawJson;

/** "Reasoning": thinking goes back as the first chunk of the answer's content. */
function toThinking(reasoning: JsonOut | undefined): readonly Chunk[] {
  return typeof reasoning === "string" ? [{ type: "thinking", thinking: [{ type: "text", text: reasoning }] }] : [];
}

function toChunks(content: JsonOut | undefined, log: TranslationLog): readonly Chunk[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  return isList(content) ? content.filter(isChunk).map((chunk) => toChunk(chunk, log)) : [];
}

function toChunk(chunk: Chunk, log: TranslationLog): Chunk {
  if (chunk instanceof RawJson) return chunk;
  const { file, input_audio: audio, ...rest } = chunk;
  if (isObject(file)) return { ...rest, ...toDocument(file, log) };
  return isObject(audio) ? { ...rest, input_audio: audio["data"] } : chunk;
}

/** "Document understanding": an address, `data:` too, or the id of an uploaded file. Plain text is no document there. */
function toDocument(file: JsonOutObject, log: TranslationLog): JsonOutObject {
  const { file_id: id, file_data: address, filename: name } = file;
  if (id !== undefined) return { type: "file", file_id: id };
  const inline = typeof address === "string" ? parseDataUrl(address) : undefined;
  if (inline?.mediaType.startsWith("text/") !== true) {
    return { type: "document_url", document_url: address, document_name: name };
  }
  log.emulated("messages", "a document of plain text was put into its message as text");
  const text = new TextDecoder().decode(inline.data);
  return { type: "text", text: `<document name="${toAttribute(name)}">\n${text}\n</document>` };
}

function toAttribute(name: JsonOut | undefined): string {
  return typeof name === "string" ? name.replaceAll('"', "'") : "document";
}

/**
 * The API refuses a user message right after a tool's ("Unexpected role 'user' after role 'tool'", code 3230), so a short
 * answer goes between.
 */
export function withTurnsBetween(messages: readonly JsonOutObject[], log: TranslationLog): readonly JsonOutObject[] {
  return messages.flatMap((message, position) => {
    if (message["role"] !== "user" || messages[position - 1]?.["role"] !== "tool") return [message];
    log.emulated("messages", "a short answer was put between tool results and the user message after them");
    return [{ role: "assistant", content: "OK" }, message];
  });
}

function isTextAlone(chunk: Chunk): chunk is JsonOutObject {
  return !(chunk instanceof RawJson) && chunk["type"] === "text" && Object.keys(chunk).length === 2;
}

function isChunk(value: JsonOut): value is Chunk {
  return typeof value === "object" && value !== null && !isList(value);
}

/** An object that can be looked into. */
export function isObject(value: JsonOut | undefined): value is JsonOutObject {
  return typeof value === "object" && value !== null && !isList(value) && !(value instanceof RawJson);
}

function isList(value: JsonOut | undefined): value is readonly JsonOut[] {
  return Array.isArray(value);
}
