// A value that a simple JSON schema admits, for tool arguments and structured answers: every property, the first of any
// choice, the least of any range. Draft 2020-12 as providers take it; what it does not know it leaves open.
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../wire/json.ts";

type Place = { readonly root: JsonRecord; readonly index: number; readonly depth: number };

/** A schema that refers to itself is followed so deep. */
const depthMax = 12;
const itemsMax = 16;

/** `index` makes the values of several examples differ where the schema lets them. */
export function exampleOf(schema: unknown, index = 0): unknown {
  const root = asObject(schema) ?? {};
  return example(root, { root, index, depth: 0 });
}

function example(schema: JsonRecord, place: Place): unknown {
  if (place.depth > depthMax) return null;
  const resolved = resolve(schema, place.root);
  if ("const" in resolved) return resolved["const"];
  const choices = asArray(resolved["enum"]);
  if (choices !== undefined && choices.length > 0) return choices[place.index % choices.length];
  const branch = asArray(resolved["anyOf"])?.[0] ?? asArray(resolved["oneOf"])?.[0];
  const deeper = { ...place, depth: place.depth + 1 };
  if (branch !== undefined) return example(asObject(branch) ?? {}, deeper);
  return ofType(typeOf(resolved), resolved, deeper);
}

function ofType(type: string, schema: JsonRecord, place: Place): unknown {
  switch (type) {
    case "object":
      return objectExample(schema, place);
    case "array":
      return arrayExample(schema, place);
    case "string":
      return stringExample(schema, place);
    case "integer":
    case "number":
      return numberExample(schema, place);
    case "boolean":
      return true;
    default:
      return null;
  }
}

function objectExample(schema: JsonRecord, place: Place): unknown {
  const properties = asObject(schema["properties"]) ?? {};
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [name, example(asObject(property) ?? {}, place)]),
  );
}

function arrayExample(schema: JsonRecord, place: Place): unknown {
  const length = Math.min(Math.max(1, asNumber(schema["minItems"]) ?? 1), itemsMax);
  const items = asObject(schema["items"]) ?? {};
  return Array.from({ length }, (_value, index) => example(items, { ...place, index: place.index + index }));
}

const stringByFormat: Readonly<Record<string, string>> = {
  date: "2026-01-31",
  time: "12:00:00Z",
  "date-time": "2026-01-31T12:00:00Z",
  email: "someone@example.com",
  uri: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000001",
  ipv4: "192.0.2.1",
  hostname: "example.com",
};

function stringExample(schema: JsonRecord, place: Place): string {
  const format = stringByFormat[asString(schema["format"]) ?? ""];
  if (format !== undefined) return format;
  const text = place.index === 0 ? "example" : `example ${place.index + 1}`;
  const padded = text.padEnd(Math.min(asNumber(schema["minLength"]) ?? 0, 1_000), "x");
  return padded.slice(0, asNumber(schema["maxLength"]) ?? padded.length);
}

function numberExample(schema: JsonRecord, place: Place): number {
  const least = asNumber(schema["minimum"]) ?? (asNumber(schema["exclusiveMinimum"]) ?? 0) + 1;
  const most = asNumber(schema["maximum"]);
  const value = least + place.index;
  return most === undefined || value <= most ? value : most;
}

/** The first type that is not null; Gemini writes types in capitals. */
function typeOf(schema: JsonRecord): string {
  const type = schema["type"];
  const names = asArray(type) ?? [type];
  const named = names
    .map((name) => asString(name)?.toLowerCase())
    .find((name) => name !== undefined && name !== "null");
  if (named !== undefined) return named;
  if ("items" in schema) return "array";
  return "object";
}

/** Follows a local reference such as "#/$defs/Person"; one that leads nowhere admits anything. */
function resolve(schema: JsonRecord, root: JsonRecord): JsonRecord {
  let current = schema;
  for (let step = 0; step < depthMax; step += 1) {
    const reference = asString(current["$ref"]);
    if (reference === undefined) return current;
    current = lookUp(reference, root);
  }
  return {};
}

function lookUp(reference: string, root: JsonRecord): JsonRecord {
  let found: JsonRecord = root;
  for (const key of reference.split("/").slice(1)) {
    found = asObject(found[key.replaceAll("~1", "/").replaceAll("~0", "~")]) ?? {};
  }
  return found;
}
