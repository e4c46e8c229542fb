// "Structured outputs": `outputConfig.textFormat` where the model has it, else words in the system prompt.
import type { CompleteRequest, JsonSchemaFormat } from "../../contract.ts";
import { traitsOf } from "../anthropic/model-traits.ts";
import { toOutputSchema } from "../anthropic/output-schema.ts";
import { toRawJson } from "../compatible/request-messages.ts";
import type { JsonOutObject } from "../json-writer.ts";
import type { TranslationContext } from "../provider.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelFamily } from "./model-family.ts";

export type OutputFormat = {
  readonly outputConfig: JsonOutObject | undefined;
  /** Sentence for the system prompt; "" when none is needed. */
  readonly instruction: string;
};

const freeText: OutputFormat = { outputConfig: undefined, instruction: "" };

export function toOutputFormat(
  request: CompleteRequest,
  { model, facts }: TranslationContext,
  family: ModelFamily,
  log: TranslationLog,
): OutputFormat {
  const format = request.responseFormat?.format;
  switch (format?.case) {
    case undefined:
    case "text":
      return freeText;
    case "jsonObject":
      log.emulated("response_format.json_object", "the model was only told to write JSON");
      return { ...freeText, instruction: "Answer with one JSON object and nothing else, without code fences." };
    case "grammar":
      log.unsupported("response_format.grammar", "the provider takes no grammar");
      return freeText;
    case "jsonSchema": {
      const isKnown = family.name === "claude" ? traitsOf(model).jsonSchema : family.jsonSchema;
      return toSchema(format.value, facts.jsonSchema ?? isKnown, log);
    }
    default:
      return format satisfies never;
  }
}

function toSchema(format: JsonSchemaFormat, isTaken: boolean, log: TranslationLog): OutputFormat {
  const schema = toRawJson(format.schemaJson, "response_format.json_schema.schema_json", log);
  if (schema === undefined) return freeText;
  if (!isTaken) {
    log.emulated("response_format.json_schema", "this model has no structured output; it was given the schema");
    const instruction = `Answer with JSON that matches this JSON Schema and nothing else:\n${schema.text}`;
    return { ...freeText, instruction };
  }
  const jsonSchema = {
    name: format.name === "" ? "response" : format.name,
    schema: toOutputSchema(format.schemaJson, log).text, // JSON in a string.
    description: format.description === "" ? undefined : format.description,
  };
  return { ...freeText, outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema } } } };
}
