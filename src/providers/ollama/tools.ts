import { type CompleteRequest, type Tool, ToolMode } from "../../contract.ts";
import { toRawJson } from "../compatible/request-messages.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { TranslationLog } from "../translation-log.ts";

/**
 * Tools of the body; `undefined` when there are none. The API has no choice among them: those that may not be called are
 * not sent, and none can be forced.
 */
export function toTools(
  request: CompleteRequest,
  aliases: readonly string[],
  log: TranslationLog,
): readonly JsonOutObject[] | undefined {
  const choice = request.toolChoice;
  if (choice?.parallelToolCalls !== undefined) {
    log.dropped("tool_choice.parallel_tool_calls", "the provider has no such control");
  }
  if (choice?.mode === ToolMode.NONE) {
    if (request.tools.length > 0) log.emulated("tool_choice.mode", "the tools were not sent");
    return undefined;
  }
  if (choice?.mode === ToolMode.REQUIRED) {
    log.dropped("tool_choice.mode", "the provider cannot be made to call a tool");
  }
  const allowed = choice?.allowedTools ?? [];
  if (allowed.length > 0) log.emulated("tool_choice.allowed_tools", "the other tools were not sent");
  const tools = request.tools.flatMap((tool, index) => {
    const body = toTool(tool, `tools[${index}]`, log);
    const isAllowed =
      allowed.length === 0 || allowed.includes(tool.kind.case === "function" ? tool.kind.value.name : "");
    return body === undefined || !isAllowed ? [] : [{ ...body, ...providerOptionsOf(tool.providerOptions, aliases) }];
  });
  return tools.length > 0 ? tools : undefined;
}

function toTool(tool: Tool, field: string, log: TranslationLog): JsonOutObject | undefined {
  switch (tool.kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema: schema, strict } = tool.kind.value;
      if (strict === true) log.dropped(`${field}.function.strict`, "the provider has no strict mode for tools");
      const parameters =
        schema === ""
          ? new RawJson('{"type":"object","properties":{}}')
          : toRawJson(schema, `${field}.function.parameters_json_schema`, log);
      return {
        type: "function",
        function: { name, description: description === "" ? undefined : description, parameters },
      };
    }
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
