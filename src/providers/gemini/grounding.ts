// Where the sources of an answer stand: `groundingMetadata` counts bytes in the whole text of the answer, which the reader
// may have cut into several parts; `citationMetadata` names sources that were recited.
import { create } from "@bufbuild/protobuf";
import { type Citation, CitationSchema } from "../../contract.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";

/** A text part of the answer: its position in the message, and its text. */
export type TextPiece = { readonly index: number; readonly text: string };

export type PlacedCitation = { readonly index: number; readonly citation: Citation };

/** `pieces` in order. Nothing without a text part, since only text can be cited. */
export function toCitations(
  grounding: JsonRecord | undefined,
  recited: JsonRecord | undefined,
  pieces: readonly TextPiece[],
): readonly PlacedCitation[] {
  const bytes = Buffer.from(pieces.map((piece) => piece.text).join(""));
  return [...toGrounded(grounding, bytes, pieces), ...toRecited(recited, bytes, pieces)];
}

function toGrounded(
  grounding: JsonRecord | undefined,
  bytes: Buffer,
  pieces: readonly TextPiece[],
): readonly PlacedCitation[] {
  const chunks = asArray(grounding?.["groundingChunks"]) ?? [];
  const supports = asArray(grounding?.["groundingSupports"]) ?? [];
  if (supports.length === 0) return chunks.flatMap((chunk) => place(toSource(chunk), undefined, pieces));
  return supports.flatMap((value) => {
    const support = asObject(value) ?? {};
    const span = toSpan(asObject(support["segment"]) ?? {}, bytes);
    const indices = asArray(support["groundingChunkIndices"]) ?? [];
    return indices.flatMap((index) => place(toSource(chunks[asNumber(index) ?? -1]), span, pieces));
  });
}

function toRecited(
  recited: JsonRecord | undefined,
  bytes: Buffer,
  pieces: readonly TextPiece[],
): readonly PlacedCitation[] {
  const sources = asArray(recited?.["citationSources"]) ?? asArray(recited?.["citations"]) ?? [];
  return sources.flatMap((value) => {
    const source = asObject(value) ?? {};
    const named = { uri: asString(source["uri"]) ?? "", title: asString(source["title"]) ?? "", citedText: "" };
    return place(named, toSpan(source, bytes), pieces);
  });
}

type Source = { readonly uri: string; readonly title: string; readonly citedText: string };

/** A web page, a document of a corpus, a place or an image. */
function toSource(value: unknown): Source {
  const chunk = asObject(value) ?? {};
  const source = asObject(chunk["web"] ?? chunk["retrievedContext"] ?? chunk["maps"] ?? chunk["image"]) ?? {};
  return {
    uri: asString(source["uri"]) ?? asString(source["sourceUri"]) ?? "",
    title: asString(source["title"]) ?? "",
    citedText: asString(source["text"]) ?? "",
  };
}

type Span = { readonly start: number; readonly end: number };

/**
 * Bytes of the whole text. The segment's own words win over its numbers: those count within a part of the provider's,
 * which in a stream is not what has arrived here. `undefined` when neither fits.
 */
function toSpan(segment: JsonRecord, bytes: Buffer): Span | undefined {
  const start = asNumber(segment["startIndex"]) ?? 0;
  const end = asNumber(segment["endIndex"]);
  const words = asString(segment["text"]);
  const isInside = end !== undefined && start >= 0 && start < end && end <= bytes.length;
  if (words === undefined || words === "") return isInside ? { start, end } : undefined;
  if (isInside && bytes.toString("utf8", start, end) === words) return { start, end };
  const found = bytes.indexOf(words);
  return found < 0 ? undefined : { start: found, end: found + Buffer.byteLength(words) };
}

/** On the part in which the span begins; without a span on the last part, as a whole. */
function place(source: Source, span: Span | undefined, pieces: readonly TextPiece[]): readonly PlacedCitation[] {
  const citation = create(CitationSchema, source);
  let before = 0;
  for (const piece of pieces) {
    const length = Buffer.byteLength(piece.text);
    if (span !== undefined && span.start < before + length) {
      citation.startByte = span.start - before;
      citation.endByte = Math.min(span.end - before, length);
      return [{ index: piece.index, citation }];
    }
    before += length;
  }
  const last = pieces.findLast((piece) => piece.text !== "") ?? pieces.at(-1);
  return last === undefined ? [] : [{ index: last.index, citation }];
}
