import {
  type CompleteRequest,
  type FreeFormTool,
  type FunctionTool,
  type ProviderTool,
  type Tool,
  ToolMode,
} from "../../contract.ts";
import type { JsonOut, JsonOutObject } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { MessageContext } from "./request-messages.ts";
import { toCacheControl, toRawJson } from "./request-messages.ts";

/** Tools and the choice among them. */
export function toTools(request: CompleteRequest, context: MessageContext): JsonOutObject {
  const isFiltered = mustFilter(request, context);
  const allowed = request.toolChoice?.allowedTools ?? [];
  const body: Record<string, JsonOut | undefined> = {};
  const tools: JsonOutObject[] = [];
  for (const [position, tool] of request.tools.entries()) {
    if (isFiltered && !allowed.includes(nameOf(tool))) continue;
    const translated = toTool(tool, `tools[${position}]`, context);
    if (translated?.kind === "tool") tools.push(translated.tool);
    if (translated?.kind === "body") Object.assign(body, translated.members);
  }
  if (tools.length > 0) body["tools"] = tools;
  return { ...body, ...toChoice(request, tools.length, context) };
}

/** Servers without a list of allowed tools are simply not told of the others; forcing one needs no list. */
function mustFilter(request: CompleteRequest, { dialect, log }: MessageContext): boolean {
  const choice = request.toolChoice;
  if (choice === undefined || choice.allowedTools.length === 0 || dialect.tools.allowedTools) return false;
  const isForced = choice.mode === ToolMode.REQUIRED && choice.allowedTools.length === 1;
  if (isForced || choice.mode === ToolMode.NONE) return false;
  log.emulated("tool_choice.allowed_tools", "the provider has no such list; the other tools were left out");
  return true;
}

function nameOf(tool: Tool): string {
  return tool.kind.case === "provider" ? tool.kind.value.type : (tool.kind.value?.name ?? "");
}

type ToolTranslation =
  | { readonly kind: "tool"; readonly tool: JsonOutObject }
  | { readonly kind: "body"; readonly members: JsonOutObject };

function toTool(tool: Tool, field: string, context: MessageContext): ToolTranslation | undefined {
  switch (tool.kind.case) {
    case "function":
      return toFunction(tool.kind.value, tool, `${field}.function`, context);
    case "freeForm":
      return toFreeForm(tool.kind.value, tool, `${field}.free_form`, context);
    case "provider":
      return toProvided(tool.kind.value, tool, `${field}.provider`, context);
    case undefined:
      context.log.unsupported(field, "this kind of tool is not known");
      return undefined;
  }
}

function toFunction(
  value: FunctionTool,
  tool: Tool,
  field: string,
  context: MessageContext,
): ToolTranslation | undefined {
  const { dialect, log } = context;
  if (!dialect.tools.functions) {
    log.unsupported(field, "the provider has no function tools");
    return undefined;
  }
  const schema = value.parametersJsonSchema;
  const parameters = schema === "" ? undefined : toRawJson(schema, `${field}.parameters_json_schema`, log);
  if (value.strict === true && !dialect.tools.strict)
    log.dropped(`${field}.strict`, "the provider has no strict mode for tools");
  const body: JsonOutObject = {
    name: value.name,
    description: value.description === "" ? undefined : value.description,
    parameters,
    strict: dialect.tools.strict ? value.strict : undefined,
  };
  return decorate({ type: "function", function: body }, tool, context);
}

function toFreeForm(
  value: FreeFormTool,
  tool: Tool,
  field: string,
  context: MessageContext,
): ToolTranslation | undefined {
  if (!context.dialect.tools.custom) {
    context.log.unsupported(field, "the provider has no tools with free text");
    return undefined;
  }
  const { grammar } = value;
  const format =
    grammar.case === undefined
      ? undefined
      : { type: "grammar", grammar: { syntax: grammar.case, definition: grammar.value } };
  const description = value.description === "" ? undefined : value.description;
  return decorate({ type: "custom", custom: { name: value.name, description, format } }, tool, context);
}

/** "web_search" is portable; "openai.web_search" is this provider's own; "anthropic.web_search" is somebody else's. */
function toProvided(
  value: ProviderTool,
  tool: Tool,
  field: string,
  context: MessageContext,
): ToolTranslation | undefined {
  const { dialect, aliases, log } = context;
  const dot = value.type.indexOf(".");
  const owner = dot < 0 ? "" : value.type.slice(0, dot);
  const name = value.type.slice(dot + 1);
  const settings = value.settings ?? {};
  if (owner !== "" && !aliases.includes(owner)) {
    log.dropped(field, `this tool is run by ${owner} only`);
    return undefined;
  }
  const provided = dialect.tools.provided[name];
  if (provided?.kind === "body") return { kind: "body", members: { [provided.field]: settings } };
  if (provided === undefined && owner === "") {
    log.unsupported(field, `the provider runs no tool "${name}"`);
    return undefined;
  }
  return decorate({ type: provided?.type ?? name, ...settings }, tool, context);
}

function decorate(body: JsonOutObject, tool: Tool, { dialect, aliases }: MessageContext): ToolTranslation {
  const cacheControl = dialect.cacheControl ? toCacheControl(tool.cacheBreakpoint) : undefined;
  const options = providerOptionsOf(tool.providerOptions, aliases);
  return { kind: "tool", tool: { ...body, cache_control: cacheControl, ...options } };
}

function toChoice(request: CompleteRequest, toolCount: number, context: MessageContext): JsonOutObject {
  const choice = request.toolChoice;
  if (choice === undefined) return {};
  if (toolCount === 0) {
    // Servers refuse a choice without tools; only "at least one" would have meant something.
    if (choice.mode === ToolMode.REQUIRED)
      context.log.unsupported("tool_choice.mode", "a tool is required, but there is none");
    return {};
  }
  return {
    tool_choice: toChoiceValue(request, context),
    parallel_tool_calls: toParallel(choice.parallelToolCalls, context),
  };
}

function toParallel(parallel: boolean | undefined, { dialect, log }: MessageContext): boolean | undefined {
  if (parallel === undefined || dialect.tools.parallelToolCalls) return parallel;
  log.dropped("tool_choice.parallel_tool_calls", "the provider has no such control");
  return undefined;
}

function toChoiceValue(request: CompleteRequest, context: MessageContext): JsonOut | undefined {
  const choice = request.toolChoice;
  const allowed = choice?.allowedTools ?? [];
  const mode = choice?.mode ?? ToolMode.UNSPECIFIED;
  if (mode === ToolMode.NONE) return "none";
  if (mode === ToolMode.REQUIRED && allowed.length === 1) return toNamed(allowed[0] ?? "", request);
  if (allowed.length > 0 && context.dialect.tools.allowedTools) {
    const tools = allowed.map((name) => toNamed(name, request));
    const word = mode === ToolMode.REQUIRED ? "required" : "auto";
    return { type: "allowed_tools", allowed_tools: { mode: word, tools } };
  }
  if (mode === ToolMode.AUTO) return "auto";
  return mode === ToolMode.REQUIRED ? toRequired(context) : undefined;
}

function toRequired({ dialect, log }: MessageContext): string | undefined {
  if (dialect.tools.required === undefined)
    log.dropped("tool_choice.mode", "the provider cannot be made to call a tool");
  return dialect.tools.required;
}

function toNamed(name: string, request: CompleteRequest): JsonOutObject {
  const isFreeForm = request.tools.some((tool) => tool.kind.case === "freeForm" && tool.kind.value.name === name);
  return isFreeForm ? { type: "custom", custom: { name } } : { type: "function", function: { name } };
}
