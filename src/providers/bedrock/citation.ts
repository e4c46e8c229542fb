import { create } from "@bufbuild/protobuf";
import { type Citation, CitationSchema } from "../../contract.ts";
import { asArray, asObject, asString } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";
import { wordTable } from "../word-table.ts";

/** "Citation", and "CitationsDelta", which is the same. It supports its whole block, so the span stays unset. */
export function toCitation(value: unknown): Citation {
  const raw = asObject(value) ?? {};
  const [kind = "", location] = Object.entries(asObject(raw["location"]) ?? {})[0] ?? [];
  const place = asObject(location) ?? {};
  const citation = create(CitationSchema, {
    uri: asString(place["url"]) ?? asString(raw["source"]) ?? "",
    title: asString(raw["title"]) ?? asString(place["domain"]) ?? "",
    citedText: (asArray(raw["sourceContent"]) ?? []).map((piece) => asString(asObject(piece)?.["text"]) ?? "").join(""),
    sourceUnit: units[kind] ?? "",
  });
  const documentIndex = toTokenCount(place["documentIndex"] ?? place["searchResultIndex"]);
  const start = toTokenCount(place["start"]);
  const end = toTokenCount(place["end"]);
  if (documentIndex !== undefined) citation.documentIndex = documentIndex;
  if (start !== undefined) citation.sourceStart = start;
  if (end !== undefined) citation.sourceEnd = end;
  return citation;
}

/** "CitationLocation". */
const units = wordTable<string>({
  documentChar: "char",
  documentPage: "page",
  documentChunk: "chunk",
  searchResultLocation: "block",
});
