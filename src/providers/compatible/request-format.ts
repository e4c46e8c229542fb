import type { GrammarFormat, JsonSchemaFormat, ResponseFormat } from "../../contract.ts";
import { asArray, asObject, type JsonRecord, parseJson } from "../../wire/json.ts";
import type { JsonOutObject } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { Dialect } from "./dialect.ts";
import { grammarNames } from "./dialects.ts";
import { toRawJson } from "./request-messages.ts";

/** Members of the body, and words for the model where the form has to be asked for in words. */
export type FormatTranslation = { readonly body: JsonOutObject; readonly instruction?: string | undefined };

const noFormat: FormatTranslation = { body: {} };

/** The form of the answer. */
export function toResponseFormat(
  format: ResponseFormat | undefined,
  dialect: Dialect,
  log: TranslationLog,
): FormatTranslation {
  switch (format?.format.case) {
    case undefined:
    case "text":
      return noFormat;
    case "jsonObject":
      return toJsonObject(dialect, log);
    case "jsonSchema":
      return toJsonSchema(format.format.value, dialect, log);
    case "grammar":
      return toGrammar(format.format.value, dialect, log);
  }
}

function toJsonObject(dialect: Dialect, log: TranslationLog): FormatTranslation {
  if (dialect.responseFormat.jsonObject) return { body: { response_format: { type: "json_object" } } };
  log.emulated("response_format.json_object", "the provider has no JSON mode; the model was asked for JSON");
  return { body: {}, instruction: "Answer with a JSON object and nothing else." };
}

function toJsonSchema(format: JsonSchemaFormat, dialect: Dialect, log: TranslationLog): FormatTranslation {
  const schema = toRawJson(format.schemaJson, "response_format.json_schema.schema_json", log);
  if (schema === undefined) return noFormat;
  if (!dialect.responseFormat.jsonSchema) {
    log.emulated(
      "response_format.json_schema",
      "the provider has no structured output; the model was given the schema",
    );
    const { body } = toJsonObject(dialect, log);
    return { body, instruction: `Answer with JSON that matches this JSON Schema and nothing else:\n${schema.text}` };
  }
  return {
    body: {
      response_format: {
        type: "json_schema",
        json_schema: {
          name: format.name === "" ? "response" : format.name,
          description: format.description === "" ? undefined : format.description,
          schema,
          strict: format.strict ?? toStrictDefault(format.schemaJson, dialect),
        },
      },
    },
  };
}

/** "Exact where the target can": strict mode refuses schemas that are not closed, so it is set by itself only for closed ones. */
export function toStrictDefault(schemaJson: string, dialect: Dialect): boolean | undefined {
  return dialect.responseFormat.strictByDefault && isClosedSchema(parseJson(schemaJson)) ? true : undefined;
}

/** Deepest nesting that strict mode takes (https://platform.openai.com/docs/guides/structured-outputs). */
const depthMax = 10;

/** Every object forbids further properties and requires all that it has. */
function isClosedSchema(value: unknown, depth = 0): boolean {
  const schema = asObject(value);
  if (schema === undefined || depth > depthMax) return false;
  if (schema["type"] === "object" || schema["properties"] !== undefined) {
    if (!isClosedObject(schema)) return false;
  }
  return children(schema).every((child) => isClosedSchema(child, depth + 1));
}

function isClosedObject(schema: JsonRecord): boolean {
  const required = new Set(asArray(schema["required"]) ?? []);
  const names = Object.keys(asObject(schema["properties"]) ?? {});
  return schema["additionalProperties"] === false && names.every((name) => required.has(name));
}

function children(schema: JsonRecord): readonly unknown[] {
  const named = ["properties", "$defs", "definitions"].flatMap((key) => Object.values(asObject(schema[key]) ?? {}));
  const listed = ["anyOf", "allOf", "oneOf", "prefixItems"].flatMap((key) => asArray(schema[key]) ?? []);
  return [...named, ...listed, ...(schema["items"] === undefined ? [] : [schema["items"]])];
}

function toGrammar(format: GrammarFormat, dialect: Dialect, log: TranslationLog): FormatTranslation {
  const { grammar } = format;
  if (grammar.case === undefined) return noFormat;
  const toBody = dialect.responseFormat.grammar[grammar.case];
  if (toBody !== undefined) return { body: toBody(grammar.value) };
  log.unsupported(`response_format.grammar.${grammar.case}`, `the provider has no ${grammarNames[grammar.case]}`);
  return noFormat;
}
