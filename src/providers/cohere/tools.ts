import { type CompleteRequest, type FunctionTool, type Tool, type ToolChoice, ToolMode } from "../../contract.ts";
import { toRawJson } from "../compatible/request-messages.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { TranslationLog } from "../translation-log.ts";

/** Tools, and the choice among them: "REQUIRED", "NONE", or nothing, which is automatic. */
export function toTools(request: CompleteRequest, aliases: readonly string[], log: TranslationLog): JsonOutObject {
  const { toolChoice } = request;
  const tools = toAllowed(request.tools, toolChoice, log).flatMap((tool) => {
    const field = `tools[${request.tools.indexOf(tool)}]`;
    const body = toTool(tool, field, log);
    return body === undefined ? [] : [{ ...body, ...providerOptionsOf(tool.providerOptions, aliases) }];
  });
  if (toolChoice?.parallelToolCalls !== undefined) {
    log.dropped("tool_choice.parallel_tool_calls", "the provider has no such control");
  }
  if (tools.length === 0) {
    if (toolChoice?.mode === ToolMode.REQUIRED) {
      log.unsupported("tool_choice.mode", "a tool is required, but there is none");
    }
    return {};
  }
  return { tools, tool_choice: toChoice(toolChoice?.mode), strict_tools: toStrict(request.tools, log) };
}

/** The API knows no list of allowed tools, so it is not told of the others. */
function toAllowed(tools: readonly Tool[], choice: ToolChoice | undefined, log: TranslationLog): readonly Tool[] {
  const allowed = choice?.allowedTools ?? [];
  if (allowed.length === 0 || choice?.mode === ToolMode.NONE) return tools;
  if (tools.length > allowed.length) log.emulated("tool_choice.allowed_tools", "the other tools were not sent");
  return tools.filter((tool) => tool.kind.case === "function" && allowed.includes(tool.kind.value.name));
}

function toChoice(mode: ToolMode | undefined): string | undefined {
  if (mode === ToolMode.REQUIRED) return "REQUIRED";
  return mode === ToolMode.NONE ? "NONE" : undefined;
}

/** One switch for all tools. */
function toStrict(tools: readonly Tool[], log: TranslationLog): boolean | undefined {
  const wishes = tools.flatMap(({ kind }) => (kind.case === "function" ? [kind.value.strict] : []));
  if (wishes.every((strict) => strict !== true)) return undefined;
  const loose = tools.findIndex(({ kind }) => kind.case === "function" && kind.value.strict !== true);
  if (loose >= 0) log.adjusted(`tools[${loose}].function.strict`, "one strict tool makes all tools strict");
  return true;
}

function toTool(tool: Tool, field: string, log: TranslationLog): JsonOutObject | undefined {
  switch (tool.kind.case) {
    case "function":
      return { type: "function", function: toFunction(tool.kind.value, `${field}.function`, log) };
    case "freeForm":
      log.unsupported(`${field}.free_form`, "the provider has no tools with free text");
      return undefined;
    case "provider":
      log.unsupported(`${field}.provider`, "the provider runs no tools");
      return undefined;
    case undefined:
      log.unsupported(field, "this kind of tool is not known");
      return undefined;
    default:
      return tool.kind satisfies never;
  }
}

/** The API wants parameters: none are an empty object. */
function toFunction(value: FunctionTool, field: string, log: TranslationLog): JsonOutObject {
  const schema = value.parametersJsonSchema;
  const parameters =
    schema === ""
      ? new RawJson('{"type":"object","properties":{}}')
      : toRawJson(schema, `${field}.parameters_json_schema`, log);
  return { name: value.name, description: value.description === "" ? undefined : value.description, parameters };
}
