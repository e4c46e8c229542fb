import { type CompleteRequest, type FunctionTool, type Tool, type ToolChoice, ToolMode } from "../../contract.ts";
import { toRawJson } from "../compatible/request-messages.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { wordTable } from "../word-table.ts";
import { toCachePoint } from "./cache-point.ts";
import type { PartContext } from "./content-block.ts";
import type { Block } from "./wire.ts";

export type ToolConfig = {
  /** `toolConfig.tools`; empty: none is sent. */
  readonly tools: readonly Block[];
  /** `toolConfig.toolChoice`. */
  readonly toolChoice: JsonOutObject | undefined;
  readonly isForced: boolean;
};

/** "ToolConfiguration". `forcedTool`: whether the model can be made to call one. */
export function toToolConfig(request: CompleteRequest, forcedTool: boolean, context: PartContext): ToolConfig {
  const { log } = context;
  const choice = request.toolChoice;
  if (choice?.parallelToolCalls !== undefined) {
    log.dropped("tool_choice.parallel_tool_calls", "the provider has no such control");
  }
  const isOff = choice?.mode === ToolMode.NONE;
  if (isOff && request.tools.length > 0) log.emulated("tool_choice.mode", "the tools were not sent");
  const tools = isOff ? [] : toTools(request, context);
  if (tools.length > 0) return { tools, ...toChoice(choice, forcedTool, context) };
  if (choice?.mode === ToolMode.REQUIRED) log.unsupported("tool_choice.mode", "a tool is required, but there is none");
  return { tools: toToolsOfHistory(request), toolChoice: undefined, isForced: false };
}

function toTools(request: CompleteRequest, context: PartContext): readonly Block[] {
  const allowed = request.toolChoice?.allowedTools ?? [];
  const isForced = request.toolChoice?.mode === ToolMode.REQUIRED && allowed.length === 1;
  const isFiltered = allowed.length > 0 && !isForced;
  if (isFiltered) context.log.emulated("tool_choice.allowed_tools", "the other tools were not sent");
  return request.tools.flatMap((tool, index) => {
    const field = `tools[${index}]`;
    if (isFiltered && !allowed.includes(nameOf(tool))) return [];
    const block = toTool(tool, field, context);
    const point = toCachePoint(tool.cacheBreakpoint, `${field}.cache_breakpoint`, context.request, context.log);
    return block === undefined ? point : [block, ...point];
  });
}

function nameOf({ kind }: Tool): string {
  return kind.case === "provider" ? kind.value.type : (kind.value?.name ?? "");
}

function toTool(tool: Tool, field: string, context: PartContext): JsonOutObject | undefined {
  const { kind } = tool;
  const options = providerOptionsOf(tool.providerOptions, context.aliases);
  switch (kind.case) {
    case "function":
      return { toolSpec: { ...toSpec(kind.value, `${field}.function`, context), ...options } };
    case "provider": {
      const name = toSystemTool(kind.value.type, context);
      if (name !== undefined) return { systemTool: { name, ...kind.value.settings, ...options } };
      context.log.unsupported(`${field}.provider.type`, `the provider runs no tool "${kind.value.type}"`);
      return undefined;
    }
    case "freeForm":
      context.log.unsupported(`${field}.free_form`, "tools with free text input are not taken");
      return undefined;
    case undefined:
      context.log.unsupported(field, "has no kind that this gateway knows");
      return undefined;
    default:
      return kind satisfies never;
  }
}

function toSpec(tool: FunctionTool, field: string, { log }: PartContext): JsonOutObject {
  const schema = tool.parametersJsonSchema;
  const json =
    schema === ""
      ? new RawJson('{"type":"object","properties":{}}')
      : toRawJson(schema, `${field}.parameters_json_schema`, log);
  return {
    name: tool.name,
    description: tool.description === "" ? undefined : tool.description,
    inputSchema: { json },
    strict: tool.strict === true ? true : undefined,
  };
}

/** Portable names of the tools that Bedrock runs, for Amazon's own models ("SystemTool"). */
const systemTools = wordTable<string>({
  web_search: "nova_grounding",
  code_execution: "nova_code_interpreter",
});

/** "web_search" is portable; "bedrock.nova_grounding" is this provider's own; "openai.…" is somebody else's. */
function toSystemTool(type: string, { aliases }: PartContext): string | undefined {
  const alias = aliases.find((name) => type.startsWith(`${name}.`));
  if (alias !== undefined) return type.slice(alias.length + 1);
  return systemTools[type];
}

function toChoice(
  choice: ToolChoice | undefined,
  forcedTool: boolean,
  { log }: PartContext,
): { readonly toolChoice: JsonOutObject | undefined; readonly isForced: boolean } {
  if (choice?.mode === ToolMode.AUTO) return { toolChoice: { auto: {} }, isForced: false };
  if (choice?.mode !== ToolMode.REQUIRED) return { toolChoice: undefined, isForced: false };
  if (!forcedTool) {
    log.dropped("tool_choice.mode", "this model cannot be forced to call a tool");
    return { toolChoice: { auto: {} }, isForced: false };
  }
  const [first, ...others] = choice.allowedTools;
  const isOne = first !== undefined && others.length === 0;
  return { toolChoice: isOne ? { tool: { name: first } } : { any: {} }, isForced: true };
}

/**
 * "The toolConfig field must be defined when using toolUse and toolResult content blocks": a conversation with calls but
 * without tools names those that were called.
 */
function toToolsOfHistory(request: CompleteRequest): readonly Block[] {
  const calls = request.messages.flatMap(({ parts }) =>
    parts.flatMap(({ content }) =>
      content.case === "toolCall" && !content.value.providerExecuted ? [content.value] : [],
    ),
  );
  const names = [...new Set(calls.map(({ name }) => name))];
  return names.map((name) => ({ toolSpec: { name, inputSchema: { json: { type: "object" } } } }));
}
