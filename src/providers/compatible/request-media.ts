// Media of user messages. What the server cannot take at all makes the translation "unsupported": leaving out an image
// changes the question.
import { type Media, MediaDetail } from "../../contract.ts";
import { toBase64, toDataUrl } from "../data-url.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteNoFilename } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";
import type { Dialect } from "./dialect.ts";

export type MediaKind = "image" | "audio" | "video" | "document";

/** A content part of a user message; `undefined` when the server has none for it, which is then noted as unsupported. */
export function toMediaPart(
  kind: MediaKind,
  media: Media,
  dialect: Dialect,
  field: string,
  log: TranslationLog,
): JsonOutObject | undefined {
  if (kind !== "document") noteNoFilename(media, field, log);
  switch (kind) {
    case "image":
      return dialect.media.image ? toImagePart(media, field, log) : refuse(field, "images", log);
    case "audio":
      return dialect.media.audio ? toAudioPart(media, field, log) : refuse(field, "audio", log);
    case "video":
      return dialect.media.video ? toVideoPart(media, field, log) : refuse(field, "video", log);
    case "document":
      return toDocumentPart(media, dialect, field, log);
  }
}

function toImagePart(media: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  const url = toUrl(media, "image/png", field, log);
  if (url === undefined) return undefined;
  return { type: "image_url", image_url: { url, detail: toDetail(media.detail, field, log) } };
}

function toDetail(detail: MediaDetail, field: string, log: TranslationLog): string | undefined {
  if (detail === MediaDetail.LOW) return "low";
  if (detail === MediaDetail.HIGH) return "high";
  if (detail === MediaDetail.MEDIUM) {
    log.adjusted(`${field}.detail`, "there is no middle detail; the provider chooses");
    return "auto";
  }
  return undefined;
}

function toVideoPart(media: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  if (media.detail !== MediaDetail.UNSPECIFIED) log.dropped(`${field}.detail`, "the level of detail cannot be chosen");
  const url = toUrl(media, "video/mp4", field, log);
  return url === undefined ? undefined : { type: "video_url", video_url: { url } };
}

/** Formats of `input_audio` by media type. OpenAI takes wav and mp3; open servers and OpenRouter take more. */
const audioFormats = wordTable<string>({
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/wave": "wav",
  "audio/mpeg": "mp3",
  "audio/mp3": "mp3",
  "audio/flac": "flac",
  "audio/ogg": "ogg",
  "audio/opus": "opus",
  "audio/aac": "aac",
  "audio/mp4": "m4a",
  "audio/webm": "webm",
  "audio/aiff": "aiff",
});

/** The word for a media type such as "audio/wav" or "audio/pcm;rate=24000"; `undefined`: none known. */
export function toAudioFormat(mediaType: string): string | undefined {
  const type = mediaType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return type === "audio/pcm" || type === "audio/l16" ? "pcm16" : audioFormats[type];
}

function toAudioPart(media: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  if (media.source.case !== "data") return refuse(`${field}.uri`, "audio by address", log);
  const format = toAudioFormat(media.mediaType);
  if (format === undefined) return refuse(`${field}.media_type`, "this form of audio", log);
  return { type: "input_audio", input_audio: { data: toBase64(media.source.value), format } };
}

function toDocumentPart(media: Media, dialect: Dialect, field: string, log: TranslationLog): JsonOutObject | undefined {
  if (media.citationsEnabled) log.dropped(`${field}.citations_enabled`, "the provider does not cite documents");
  if (dialect.media.document === "none") return toInlineText(media, field, log);
  const filename = media.filename || media.title || undefined;
  const { source } = media;
  switch (source.case) {
    case "fileId":
      return { type: "file", file: { file_id: source.value } };
    case "data":
      return {
        type: "file",
        file: {
          filename: filename ?? "document",
          file_data: toDataUrl(media.mediaType || "application/pdf", source.value),
        },
      };
    case "uri":
      if (!source.value.startsWith("data:") && dialect.media.document !== "url") {
        return refuse(`${field}.uri`, "documents by address", log);
      }
      return { type: "file", file: { filename, file_data: source.value } };
    default:
      return refuse(field, "a document without source", log);
  }
}

/** A document that is text can be read out to any model. */
function toInlineText(media: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  const isText = /^(?:text\/|application\/(?:json|xml|yaml))/.test(media.mediaType);
  if (media.source.case !== "data" || !isText) return refuse(field, "documents", log);
  log.emulated(field, "the provider takes no documents; this one was put into the message as text");
  const name = media.title || media.filename || "document";
  const text = new TextDecoder().decode(media.source.value);
  return { type: "text", text: `<document name="${name.replaceAll('"', "'")}">\n${text}\n</document>` };
}

function toUrl(media: Media, mediaType: string, field: string, log: TranslationLog): string | undefined {
  const { source } = media;
  switch (source.case) {
    case "data":
      return toDataUrl(media.mediaType || mediaType, source.value);
    case "uri":
      if (/^(?:https?|data):/i.test(source.value)) return source.value;
      return refuse(`${field}.uri`, "addresses other than https and data", log);
    case "fileId":
      return refuse(`${field}.file_id`, "uploaded files of this kind", log);
    default:
      return refuse(field, "media without source", log);
  }
}

function refuse(field: string, what: string, log: TranslationLog): undefined {
  log.unsupported(field, `the provider does not take ${what}`);
  return undefined;
}
