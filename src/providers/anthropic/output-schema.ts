import { asArray, asObject, type JsonRecord, parseJson } from "../../wire/json.ts";
import { RawJson } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";

/**
 * The schema as `output_config.format` takes it: every object closed, and without the limits that the API refuses
 * ("Structured outputs", "JSON Schema limitations"). An untouched schema is sent byte for byte.
 */
export function toOutputSchema(schemaJson: string, log: TranslationLog): RawJson {
  const schema = parseJson(schemaJson);
  const narrowed = JSON.stringify(narrow(schema));
  if (narrowed === JSON.stringify(schema)) return new RawJson(schemaJson);
  log.adjusted(
    "response_format.json_schema.schema_json",
    "objects were closed, and limits that are not taken left out",
  );
  return new RawJson(narrowed);
}

const refusedKeywords: ReadonlySet<string> = new Set([
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
]);

/** Keywords whose value maps names of the caller's own to schemas. */
const nameMaps: ReadonlySet<string> = new Set(["properties", "$defs", "definitions"]);

/** Keywords whose value is data, not a schema. */
const dataKeywords: ReadonlySet<string> = new Set(["enum", "const", "default", "examples", "required"]);

function narrow(value: unknown): unknown {
  const list = asArray(value);
  if (list !== undefined) return list.map(narrow);
  const schema = asObject(value);
  if (schema === undefined) return value;
  const kept = Object.entries(schema).filter(([keyword, limit]) => !isRefused(keyword, limit));
  const narrowed = Object.fromEntries(kept.map(([keyword, member]) => [keyword, narrowMember(keyword, member)]));
  return isOpenObject(schema) ? { ...narrowed, additionalProperties: false } : narrowed;
}

function isRefused(keyword: string, limit: unknown): boolean {
  // Of the lengths of arrays the API takes 0 and 1.
  return refusedKeywords.has(keyword) || (keyword === "minItems" && limit !== 0 && limit !== 1);
}

function narrowMember(keyword: string, member: unknown): unknown {
  if (dataKeywords.has(keyword)) return member;
  const named = nameMaps.has(keyword) ? asObject(member) : undefined;
  if (named === undefined) return narrow(member);
  return Object.fromEntries(Object.entries(named).map(([name, schema]) => [name, narrow(schema)]));
}

function isOpenObject(schema: JsonRecord): boolean {
  const isObject = schema["type"] === "object" || schema["properties"] !== undefined;
  return isObject && schema["additionalProperties"] !== false;
}
