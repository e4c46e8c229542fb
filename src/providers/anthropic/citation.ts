import { create } from "@bufbuild/protobuf";
import { type Citation, CitationSchema } from "../../contract.ts";
import { asObject, asString } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";
import { wordTable } from "../word-table.ts";

/**
 * One citation of a text block ("Citations", "Response structure"). It supports the whole block, so the span in the text
 * stays unset. A kind that we do not know gives what it shares with the others.
 */
export function toCitation(value: unknown): Citation {
  const raw = asObject(value) ?? {};
  const place = places[asString(raw["type"]) ?? ""];
  const citation = create(CitationSchema, {
    uri: asString(raw["url"]) ?? asString(raw["source"]) ?? "",
    title: asString(raw["title"]) ?? asString(raw["document_title"]) ?? "",
    citedText: asString(raw["cited_text"]) ?? "",
    fileId: asString(raw["file_id"]) ?? "",
  });
  const documentIndex = toTokenCount(raw["document_index"]);
  if (documentIndex !== undefined) citation.documentIndex = documentIndex;
  if (place === undefined) return citation;
  const start = toTokenCount(raw[place.start]);
  const end = toTokenCount(raw[place.end]);
  if (start !== undefined) citation.sourceStart = start;
  if (end !== undefined) citation.sourceEnd = end;
  citation.sourceUnit = place.unit;
  return citation;
}

type Place = { readonly unit: string; readonly start: string; readonly end: string };

const blockPlace: Place = { unit: "block", start: "start_block_index", end: "end_block_index" };

const places = wordTable<Place>({
  char_location: { unit: "char", start: "start_char_index", end: "end_char_index" },
  page_location: { unit: "page", start: "start_page_number", end: "end_page_number" },
  content_block_location: blockPlace,
  search_result_location: blockPlace,
});
