// Images, documents, video and sound ("ImageBlock", "DocumentBlock", "VideoBlock", "AudioBlock"): bytes, or an object in S3.
// Bedrock fetches no other addresses.
import { type Media, MediaDetail } from "../../contract.ts";
import { parseDataUrl, toBase64 } from "../data-url.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteNoFilename } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";

export type MediaContext = {
  readonly log: TranslationLog;
  /** Names of documents given so far: they have to differ within a request. */
  readonly documentNames: Set<string>;
};

type MediaKind = "image" | "document" | "video" | "audio";

/** `undefined`, with the reason in the log, when the API has no place for it. */
export function toMediaBlock(
  kind: MediaKind,
  media: Media,
  field: string,
  context: MediaContext,
): JsonOutObject | undefined {
  const { log } = context;
  if (media.detail !== MediaDetail.UNSPECIFIED) log.dropped(`${field}.detail`, "the level of detail cannot be chosen");
  const source = toSource(media, field, log);
  if (source === undefined) return undefined;
  const format = toFormat(kind, media);
  if (format === undefined) {
    log.unsupported(`${field}.media_type`, `this form of ${kind} is not taken`);
    return undefined;
  }
  if (kind === "document") return { document: toDocument(media, format, source, context) };
  noteNoFilename(media, field, log);
  if (media.citationsEnabled) log.dropped(`${field}.citations_enabled`, "only documents can be cited");
  return { [kind]: { format, source } };
}

/** Words for the media types whose subtype is not the word. */
const formats: Readonly<Record<MediaKind, Readonly<Record<string, string>>>> = {
  image: wordTable({
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
  }),
  document: wordTable({
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/json": "txt",
  }),
  video: wordTable({
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
  }),
  audio: wordTable({
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "opus",
    "audio/aac": "aac",
    "audio/mp4": "m4a",
    "audio/webm": "webm",
    "audio/pcm": "pcm",
    "audio/x-matroska": "mka",
  }),
};

/** By the media type, else by the end of the address: an object in S3 comes without a type. */
function toFormat(kind: MediaKind, media: Media): string | undefined {
  const inline = media.source.case === "uri" ? parseDataUrl(media.source.value)?.mediaType : undefined;
  const type = (inline ?? media.mediaType).split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const known = formats[kind][type];
  if (known !== undefined || type !== "" || media.source.case !== "uri") return known;
  const extension = /\.([a-z0-9]+)$/i.exec(media.source.value)?.[1]?.toLowerCase() ?? "";
  const word = { jpg: "jpeg", "3gp": "three_gp" }[extension] ?? extension;
  return Object.values(formats[kind]).find((format) => format === word);
}

function toSource({ source }: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  if (source.case === "data") return { bytes: toBase64(source.value) };
  const inline = source.case === "uri" ? parseDataUrl(source.value) : undefined;
  if (inline !== undefined) return { bytes: toBase64(inline.data) };
  if (source.case === "uri" && source.value.startsWith("s3://")) return { s3Location: { uri: source.value } };
  log.unsupported(field, "only data and s3 addresses are taken");
  return undefined;
}

function toDocument(media: Media, format: string, source: JsonOutObject, context: MediaContext): JsonOutObject {
  return {
    format,
    name: toName(media.title || media.filename || "Document", context.documentNames),
    source,
    citations: media.citationsEnabled ? { enabled: true } : undefined,
  };
}

/** Longest name that the API takes. */
const nameCharactersMax = 200;

/**
 * "DocumentBlock", `name`: letters, digits, single spaces, hyphens, parentheses and square brackets. A name that stands in
 * the request already gets a number.
 */
function toName(text: string, taken: Set<string>): string {
  const plain = text
    .replace(/[^A-Za-z0-9\s()[\]-]+/g, " ")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, nameCharactersMax - 8);
  const base = plain === "" ? "Document" : plain;
  let name = base;
  for (let number = 2; taken.has(name); number++) name = `${base} ${number}`;
  taken.add(name);
  return name;
}
