import { create } from "@bufbuild/protobuf";
import { type Citation, CitationSchema } from "../../contract.ts";
import { asArray, asNumber, asObject, asString } from "../../wire/json.ts";
import { toUtf8Offset } from "../utf8-offset.ts";

/**
 * `message.annotations` of OpenAI and OpenRouter. Positions count code points of the whole text (checked with a recording
 * that has "ø" before its links); out of range ones are left out rather than guessed.
 */
export function toAnnotationCitations(raw: unknown, text: string): readonly Citation[] {
  return (asArray(raw) ?? []).flatMap((item) => {
    const source = asObject(asObject(item)?.["url_citation"]);
    if (source === undefined) return [];
    return [
      create(CitationSchema, {
        uri: asString(source["url"]) ?? "",
        title: asString(source["title"]) ?? "",
        citedText: asString(source["content"]) ?? "",
        ...toRange(asNumber(source["start_index"]), asNumber(source["end_index"]), text),
      }),
    ];
  });
}

type ByteRange = { readonly startByte?: number; readonly endByte?: number };

/** Byte range of code points `start` to `end`; nothing when that is no range (OpenRouter sends 0 to 0 for "whole text"). */
export function toRange(start: number | undefined, end: number | undefined, text: string): ByteRange {
  if (start === undefined || end === undefined || start < 0 || end <= start) return {};
  return { startByte: toUtf8Offset(text, start, "code-point"), endByte: toUtf8Offset(text, end, "code-point") };
}

/** Perplexity's sources of the whole answer; the text refers to them as [1], [2] … */
export function toSearchCitations(searchResults: unknown, addresses: unknown): readonly Citation[] {
  const results = (asArray(searchResults) ?? []).map(asObject).filter((result) => result !== undefined);
  if (results.length > 0) {
    return results.map((result) =>
      create(CitationSchema, {
        uri: asString(result["url"]) ?? "",
        title: asString(result["title"]) ?? "",
        citedText: asString(result["snippet"]) ?? "",
      }),
    );
  }
  return (asArray(addresses) ?? []).flatMap((uri) =>
    typeof uri === "string" ? [create(CitationSchema, { uri })] : [],
  );
}
