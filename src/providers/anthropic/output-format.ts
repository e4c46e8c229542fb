// Structured output: `output_config.format` where the model has it ("Structured outputs"), else a tool that the model has
// to call; a bare JSON object only by instruction, since the API knows no such mode.
import type { CompleteRequest, JsonSchemaFormat } from "../../contract.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";
import { toOutputSchema } from "./output-schema.ts";
import { outputToolName } from "./wire.ts";

export type OutputFormat = {
  /** Body field `output_config.format`. */
  readonly format: JsonOutObject | undefined;
  /** Tool that stands in for it. */
  readonly tool: JsonOutObject | undefined;
  /** Sentence for the system prompt; "" when none is needed. */
  readonly instruction: string;
};

const freeText: OutputFormat = { format: undefined, tool: undefined, instruction: "" };

/** `canSchema`: what the catalogue says of the model; `undefined`: ask its name. */
export function toOutputFormat(
  request: CompleteRequest,
  traits: ModelTraits,
  canSchema: boolean | undefined,
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
      log.dropped("response_format.grammar", "Anthropic takes no grammar");
      return freeText;
    case "jsonSchema":
      return (canSchema ?? traits.jsonSchema) ? toFormat(format.value, log) : toTool(format.value, log);
    default:
      return format satisfies never;
  }
}

function toFormat(format: JsonSchemaFormat, log: TranslationLog): OutputFormat {
  const schema: JsonOut = toOutputSchema(format.schemaJson, log);
  return { ...freeText, format: { type: "json_schema", schema }, instruction: format.description };
}

function toTool(format: JsonSchemaFormat, log: TranslationLog): OutputFormat {
  log.emulated("response_format.json_schema", "this model has no structured output: a tool call stands in for it");
  const description = format.description === "" ? "Gives the answer. Call it once, at the end." : format.description;
  const tool = { name: outputToolName, description, input_schema: new RawJson(format.schemaJson) };
  return { ...freeText, tool, instruction: `Give the answer by calling the tool ${outputToolName}.` };
}
