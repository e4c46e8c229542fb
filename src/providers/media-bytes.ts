import type { Media } from "../contract.ts";
import { parseDataUrl } from "./data-url.ts";
import type { TranslationLog } from "./translation-log.ts";

export type MediaBytes = { readonly data: Uint8Array; readonly mediaType: string };

/** The bytes of a medium, for providers that take files only; `undefined` when it has none here, which is noted. */
export function toMediaBytes(media: Media, field: string, log: TranslationLog): MediaBytes | undefined {
  const { source, mediaType } = media;
  if (source.case === "data") return { data: source.value, mediaType };
  const inline = source.case === "uri" ? parseDataUrl(source.value) : undefined;
  if (inline !== undefined) return { data: inline.data, mediaType: inline.mediaType || mediaType };
  log.unsupported(field, "the provider takes the bytes only: send them as data");
  return undefined;
}
