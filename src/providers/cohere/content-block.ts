// Pieces of content that messages of several roles share.
import { type Media, MediaDetail } from "../../contract.ts";
import { toRawJson } from "../compatible/request-messages.ts";
import { parseDataUrl, toDataUrl } from "../data-url.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import { noteNoFilename } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";

export type Block = JsonOutObject | RawJson;

/** What the translation of messages needs beside them. */
export type MessageContext = {
  /** Names under which options and state of this provider stand. */
  readonly aliases: readonly string[];
  readonly log: TranslationLog;
};

/** Text alone where there is one plain text, as every example has it; else the list. */
export function toContent(blocks: readonly Block[]): JsonOut {
  const [only] = blocks;
  if (only === undefined || blocks.length > 1 || only instanceof RawJson) return blocks;
  const isPlain = only["type"] === "text" && Object.keys(only).length === 2;
  return isPlain ? (only["text"] ?? "") : blocks;
}

const detailWords: Readonly<Record<number, string>> = {
  [MediaDetail.LOW]: "low",
  [MediaDetail.MEDIUM]: "auto",
  [MediaDetail.HIGH]: "high",
};

export function toImage(media: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  const { source } = media;
  noteNoFilename(media, field, log);
  if (media.detail === MediaDetail.MEDIUM) log.adjusted(`${field}.detail`, "there is no middle detail");
  const detail = detailWords[media.detail];
  if (source.case === "data") {
    return { type: "image_url", image_url: { url: toDataUrl(media.mediaType || "image/png", source.value), detail } };
  }
  if (source.case === "uri" && /^(?:https?|data):/i.test(source.value)) {
    return { type: "image_url", image_url: { url: source.value, detail } };
  }
  log.unsupported(field, "only https addresses and data are taken");
  return undefined;
}

/** Text of a document; `undefined` when it is of another kind, or not at hand. */
export function toText({ source, mediaType }: Media): string | undefined {
  const inline = source.case === "uri" ? parseDataUrl(source.value) : undefined;
  const type = (inline?.mediaType ?? mediaType).toLowerCase();
  const data = source.case === "data" ? source.value : inline?.data;
  if (data === undefined || !/^(?:text\/|application\/(?:json|xml|yaml))/.test(type)) return undefined;
  return new TextDecoder().decode(data);
}

/** Content of this provider goes back as it came; another's is left out. */
export function toOwnBlock(
  { provider, payloadJson }: { readonly provider: string; readonly payloadJson: string },
  field: string,
  { aliases, log }: MessageContext,
): RawJson | undefined {
  if (aliases.includes(provider)) return toRawJson(payloadJson, `${field}.payload_json`, log);
  log.dropped(field, `content of ${provider} means nothing to another provider`);
  return undefined;
}
