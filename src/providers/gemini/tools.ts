import { type CompleteRequest, type FunctionTool, type ProviderTool, ToolMode } from "../../contract.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";

/** `tools` (ai.google.dev/api/caching#Tool); `undefined` without any. */
export function toTools(
  request: CompleteRequest,
  aliases: readonly string[],
  log: TranslationLog,
): readonly JsonOutObject[] | undefined {
  const functionDeclarations: JsonOutObject[] = [];
  const others: JsonOutObject[] = [];
  for (const [index, tool] of request.tools.entries()) {
    const field = `tools[${index}]`;
    const options = providerOptionsOf(tool.providerOptions, aliases);
    if (tool.cacheBreakpoint !== undefined) log.dropped(`${field}.cache_breakpoint`, "Gemini finds prefixes by itself");
    const { kind } = tool;
    if (kind.case === "function") functionDeclarations.push({ ...toDeclaration(kind.value), ...options });
    else if (kind.case === "provider") others.push({ ...toGoogleTool(kind.value, field, aliases, log), ...options });
    else log.unsupported(field, "only functions and Google's own tools are taken");
  }
  const tools = functionDeclarations.length > 0 ? [...others, { functionDeclarations }] : others;
  return tools.length > 0 ? tools : undefined;
}

function toDeclaration(tool: FunctionTool): JsonOutObject {
  const schema = tool.parametersJsonSchema;
  return {
    name: tool.name,
    description: tool.description === "" ? undefined : tool.description,
    parametersJsonSchema: schema === "" ? undefined : new RawJson(schema),
  };
}

const keyByName = wordTable<string>({
  web_search: "googleSearch",
  google_search: "googleSearch",
  google_search_retrieval: "googleSearchRetrieval",
  google_maps: "googleMaps",
  code_execution: "codeExecution",
  url_context: "urlContext",
  file_search: "fileSearch",
  computer_use: "computerUse",
  enterprise_web_search: "enterpriseWebSearch",
  retrieval: "retrieval",
});

function toGoogleTool(
  tool: ProviderTool,
  field: string,
  aliases: readonly string[],
  log: TranslationLog,
): JsonOutObject {
  const [first, second] = tool.type.split(".", 2);
  const isOwn = second === undefined || first === "google" || aliases.includes(first ?? "");
  const key = isOwn ? keyByName[second ?? first ?? ""] : undefined;
  if (key !== undefined) return { [key]: tool.settings ?? {} };
  log.unsupported(`${field}.provider.type`, `Gemini has no tool "${tool.type}"`);
  return {};
}

/**
 * `toolConfig` ("Function calling modes"); `undefined` when there is nothing to say. `mixesTools`: functions and Google's
 * own tools go together, if the calls of both come back ("Tool combination").
 */
export function toToolConfig(
  request: CompleteRequest,
  mixesTools: boolean,
  log: TranslationLog,
): JsonOutObject | undefined {
  const choice = request.toolChoice;
  if (choice?.parallelToolCalls !== undefined) {
    log.dropped("tool_choice.parallel_tool_calls", "the number of calls cannot be limited");
  }
  const mode = toMode(request);
  const allowed = mode === "NONE" ? [] : (choice?.allowedTools ?? []);
  const allowedFunctionNames = allowed.length > 0 ? allowed : undefined;
  const functionCallingConfig = mode === undefined ? undefined : { mode, allowedFunctionNames };
  const includeServerSideToolInvocations = mixesTools && isMixed(request) ? true : undefined;
  if (functionCallingConfig === undefined && includeServerSideToolInvocations === undefined) return undefined;
  return { functionCallingConfig, includeServerSideToolInvocations };
}

function isMixed(request: CompleteRequest): boolean {
  const kinds = new Set(request.tools.map((tool) => tool.kind.case));
  return kinds.has("function") && kinds.has("provider");
}

/** VALIDATED keeps calls to their schemas, and is the mode in which the model is free and yet bound to a list. */
function toMode(request: CompleteRequest): string | undefined {
  const choice = request.toolChoice;
  const functions = request.tools.filter((tool) => tool.kind.case === "function");
  if (functions.length === 0) return undefined;
  if (choice?.mode === ToolMode.NONE) return "NONE";
  if (choice?.mode === ToolMode.REQUIRED) return "ANY";
  const isStrict = functions.some((tool) => tool.kind.case === "function" && tool.kind.value.strict === true);
  if (isStrict || (choice?.allowedTools.length ?? 0) > 0) return "VALIDATED";
  return choice?.mode === ToolMode.AUTO ? "AUTO" : undefined;
}
