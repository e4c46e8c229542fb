import { create } from "@bufbuild/protobuf";
import { type Citation, CitationSchema } from "../../contract.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { toUtf8Offset } from "../utf8-offset.ts";

/** A citation as it came: its place in a text, in code points, and its sources. */
export type RawCitation = {
  /** Which content block it is about; `undefined`: the API does not say. */
  readonly block: number | undefined;
  /** False for citations of the plan and of thinking, which have no place in the contract. */
  readonly isOfText: boolean;
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly sources: readonly JsonRecord[];
};

/** "RAG citations": `type` and `content_index` are there since 2025. */
export function readCitation(value: unknown): RawCitation {
  const raw = asObject(value) ?? {};
  const type = asString(raw["type"]);
  return {
    block: asNumber(raw["content_index"]),
    isOfText: type === undefined || type === "TEXT_CONTENT",
    start: toPosition(raw["start"]),
    end: toPosition(raw["end"]),
    sources: (asArray(raw["sources"]) ?? []).map((source) => asObject(source) ?? {}),
  };
}

/** One citation for each source, all of the same passage of `text`; one for none. */
export function toCitations({ start, end, sources }: RawCitation, text: string): readonly Citation[] {
  const list = sources.length === 0 ? [{}] : sources;
  return list.map((source) => {
    const citation = toSource(source);
    if (start === undefined || end === undefined || start > end) return citation;
    citation.startByte = toUtf8Offset(text, start, "code-point");
    citation.endByte = toUtf8Offset(text, end, "code-point");
    return citation;
  });
}

/** A document of the request, or what a tool gave; both are objects of the caller's own making. */
function toSource(source: JsonRecord): Citation {
  const content = asObject(source["document"]) ?? asObject(source["tool_output"]) ?? {};
  const id = asString(source["id"]) ?? asString(content["id"]) ?? "";
  const citation = create(CitationSchema, {
    uri: asString(content["url"]) ?? "",
    title: asString(content["title"]) ?? "",
    citedText: asString(content["snippet"]) ?? asString(content["text"]) ?? "",
    fileId: id,
  });
  const position = /^doc:(\d{1,6})$/.exec(id)?.[1];
  if (position !== undefined) citation.documentIndex = Number(position);
  return citation;
}

function toPosition(value: unknown): number | undefined {
  const position = asNumber(value);
  return position !== undefined && Number.isInteger(position) && position >= 0 ? position : undefined;
}
