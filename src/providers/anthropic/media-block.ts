import { type Media, MediaDetail } from "../../contract.ts";
import { parseDataUrl, toBase64 } from "../data-url.ts";
import type { JsonOutObject } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";

export type MediaContext = {
  readonly log: TranslationLog;
  /** Values of `anthropic-beta` that the request needs; filled here. */
  readonly betas: Set<string>;
};

/** Turns on `source.type: "file"` (Files API). */
const filesBeta = "files-api-2025-04-14";

/** `undefined`, with the reason in the log, when the API has no place for such an image. */
export function toImageBlock(media: Media, field: string, context: MediaContext): JsonOutObject | undefined {
  noteDetail(media, field, context.log);
  if (media.citationsEnabled) context.log.dropped(`${field}.citations_enabled`, "only documents can be cited");
  if (media.title !== "") context.log.dropped(`${field}.title`, "images have no title");
  if (media.filename !== "") context.log.dropped(`${field}.filename`, "images have no file name");
  const source = toSource(media, field, context);
  return source === undefined ? undefined : { type: "image", source };
}

/** PDF and plain text; other kinds only as files uploaded before. */
export function toDocumentBlock(media: Media, field: string, context: MediaContext): JsonOutObject | undefined {
  noteDetail(media, field, context.log);
  const source = toDocumentSource(media, field, context);
  if (source === undefined) return undefined;
  const title = media.title !== "" ? media.title : media.filename;
  return {
    type: "document",
    source,
    title: title !== "" ? title : undefined,
    citations: media.citationsEnabled ? { enabled: true } : undefined,
  };
}

function noteDetail(media: Media, field: string, log: TranslationLog): void {
  if (media.detail !== MediaDetail.UNSPECIFIED) log.dropped(`${field}.detail`, "the level of detail cannot be chosen");
}

function toDocumentSource(media: Media, field: string, context: MediaContext): JsonOutObject | undefined {
  const inline = toInline(media);
  if (inline === undefined) return toSource(media, field, context);
  const mediaType = inline.mediaType.split(";")[0]?.trim().toLowerCase() ?? "";
  if (mediaType === "application/pdf") return { type: "base64", media_type: mediaType, data: toBase64(inline.data) };
  if (mediaType.startsWith("text/") || mediaType === "application/json") {
    return { type: "text", media_type: "text/plain", data: new TextDecoder().decode(inline.data) };
  }
  context.log.unsupported(field, `documents of type "${mediaType}" are not taken, only PDF and text`);
  return undefined;
}

function toSource(media: Media, field: string, context: MediaContext): JsonOutObject | undefined {
  const { source } = media;
  const inline = toInline(media);
  if (inline !== undefined && inline.mediaType !== "") {
    return { type: "base64", media_type: inline.mediaType, data: toBase64(inline.data) };
  }
  if (inline !== undefined) context.log.unsupported(`${field}.media_type`, "is needed with data");
  else if (source.case === "fileId") return toFile(source.value, context);
  else if (source.case === "uri" && /^https?:/i.test(source.value)) return { type: "url", url: source.value };
  else context.log.unsupported(field, "only https addresses, data and uploaded files are taken");
  return undefined;
}

function toFile(fileId: string, context: MediaContext): JsonOutObject {
  context.betas.add(filesBeta);
  return { type: "file", file_id: fileId };
}

type Inline = { readonly mediaType: string; readonly data: Uint8Array };

/** The bytes, given as such or in a `data:` address. */
function toInline(media: Media): Inline | undefined {
  const { source } = media;
  if (source.case === "data") return { mediaType: media.mediaType, data: source.value };
  const parsed = source.case === "uri" ? parseDataUrl(source.value) : undefined;
  return parsed === undefined ? undefined : { ...parsed, mediaType: parsed.mediaType || media.mediaType };
}
