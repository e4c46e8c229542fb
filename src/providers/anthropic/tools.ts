import type { CompleteRequest, FunctionTool, ProviderTool, Tool } from "../../contract.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { wordTable } from "../word-table.ts";
import { toCacheControl } from "./cache-control.ts";
import type { PartContext } from "./content-block.ts";

/** `allowed`: names of the tools to send; empty: all. What they need of `anthropic-beta` goes into the context. */
export function toTools(
  request: CompleteRequest,
  allowed: readonly string[],
  context: PartContext,
): readonly JsonOutObject[] {
  const tools: JsonOutObject[] = [];
  for (const [index, tool] of request.tools.entries()) {
    const field = `tools[${index}]`;
    const made = toTool(tool, field, context);
    if (made === undefined || (allowed.length > 0 && !allowed.includes(made.name))) continue;
    const control = toCacheControl(tool.cacheBreakpoint, `${field}.cache_breakpoint`, context.request, context.log);
    tools.push({ ...made.body, cache_control: control, ...providerOptionsOf(tool.providerOptions, context.aliases) });
    if (made.beta !== undefined) context.betas.add(made.beta);
  }
  return tools;
}

type MadeTool = { readonly name: string; readonly body: JsonOutObject; readonly beta?: string | undefined };

function toTool(tool: Tool, field: string, context: PartContext): MadeTool | undefined {
  const { kind } = tool;
  switch (kind.case) {
    case "function":
      return toFunctionTool(kind.value);
    case "provider":
      return toServerTool(kind.value, `${field}.provider`, context);
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

function toFunctionTool(tool: FunctionTool): MadeTool {
  const schema = tool.parametersJsonSchema;
  const body = {
    name: tool.name,
    description: tool.description === "" ? undefined : tool.description,
    input_schema: schema === "" ? { type: "object", properties: {} } : new RawJson(schema),
    strict: tool.strict,
  };
  return { name: tool.name, body };
}

/** Portable and short names to the version that most models take. A caller who wants another names it with its date. */
const typeByName = wordTable<string>({
  web_search: "web_search_20250305",
  url_context: "web_fetch_20250910",
  web_fetch: "web_fetch_20250910",
  code_execution: "code_execution_20250825",
});

const betaByType = wordTable<string>({
  web_fetch_20250910: "web-fetch-2025-09-10",
  code_execution_20250522: "code-execution-2025-05-22",
  code_execution_20250825: "code-execution-2025-08-25",
  memory_20250818: "context-management-2025-06-27",
  computer_20241022: "computer-use-2024-10-22",
  computer_20250124: "computer-use-2025-01-24",
  computer_20251124: "computer-use-2025-11-24",
});

/** Tools whose name is not their type without the date. */
const nameByType = wordTable<string>({
  text_editor_20250124: "str_replace_editor",
  text_editor_20250429: "str_replace_based_edit_tool",
  text_editor_20250728: "str_replace_based_edit_tool",
  tool_search_tool_bm25_20251119: "tool_search_tool_bm25",
  tool_search_tool_regex_20251119: "tool_search_tool_regex",
});

function toServerTool(tool: ProviderTool, field: string, context: PartContext): MadeTool | undefined {
  const [prefix, own] = splitOnce(tool.type);
  if (prefix !== undefined && prefix !== "anthropic" && !context.aliases.includes(prefix)) {
    context.log.unsupported(`${field}.type`, `"${tool.type}" is a tool of another provider`);
    return undefined;
  }
  const type = typeByName[own] ?? own;
  const undated = /^([a-z0-9_]+?)_\d{8}$/.exec(type)?.[1];
  if (undated === undefined) {
    context.log.unsupported(`${field}.type`, `Anthropic has no tool "${own}"; other tools are named with their date`);
    return undefined;
  }
  const name = nameByType[type] ?? undated;
  return { name, body: { type, name, ...tool.settings }, beta: betaByType[type] };
}

/** "anthropic.web_search" to its two halves; a portable name has no first half. */
function splitOnce(type: string): readonly [string | undefined, string] {
  const dot = type.indexOf(".");
  return dot < 0 ? [undefined, type] : [type.slice(0, dot), type.slice(dot + 1)];
}
