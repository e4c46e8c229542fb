import { type CompleteRequest, type ProviderTool, type Tool, ToolMode } from "../../../contract.ts";
import type { JsonOut, JsonOutObject } from "../../json-writer.ts";
import { providerOptionsOf } from "../../provider-options.ts";
import { wordTable } from "../../word-table.ts";
import { toRawJson } from "../request-messages.ts";
import type { InputContext } from "./request-input.ts";

/** Portable names of tools that the provider runs: their type, and what it needs when the caller says nothing. */
const portableTools = wordTable<JsonOutObject>({
  web_search: { type: "web_search" },
  file_search: { type: "file_search" },
  image_generation: { type: "image_generation" },
  code_execution: { type: "code_interpreter", container: { type: "auto" } },
  code_interpreter: { type: "code_interpreter", container: { type: "auto" } },
});

/** Tools and the choice among them. Unlike in chat completions, the members of a function stand at the top. */
export function toResponsesTools(request: CompleteRequest, context: InputContext): JsonOutObject {
  const tools = request.tools
    .map((tool, position) => toTool(tool, `tools[${position}]`, context))
    .filter((tool) => tool !== undefined);
  if (tools.length === 0) {
    if (request.toolChoice?.mode === ToolMode.REQUIRED) {
      context.log.unsupported("tool_choice.mode", "a tool is required, but there is none");
    }
    return {};
  }
  return {
    tools,
    tool_choice: toChoice(request),
    parallel_tool_calls: request.toolChoice?.parallelToolCalls,
  };
}

function toTool(tool: Tool, field: string, context: InputContext): JsonOutObject | undefined {
  const options = providerOptionsOf(tool.providerOptions, context.aliases);
  switch (tool.kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema: schema, strict } = tool.kind.value;
      // This API wants the member even for a function without parameters.
      const parameters =
        schema === "" ? null : toRawJson(schema, `${field}.function.parameters_json_schema`, context.log);
      return { type: "function", name, description: description || undefined, parameters, strict, ...options };
    }
    case "freeForm": {
      const { name, description, grammar } = tool.kind.value;
      const format =
        grammar.case === undefined ? undefined : { type: "grammar", syntax: grammar.case, definition: grammar.value };
      return { type: "custom", name, description: description || undefined, format, ...options };
    }
    case "provider": {
      const provided = toProvided(tool.kind.value, `${field}.provider`, context);
      return provided === undefined ? undefined : { ...provided, ...options };
    }
    case undefined:
      context.log.unsupported(field, "this kind of tool is not known");
      return undefined;
  }
}

function toProvided(value: ProviderTool, field: string, { aliases, log }: InputContext): JsonOutObject | undefined {
  const dot = value.type.indexOf(".");
  const owner = dot < 0 ? "" : value.type.slice(0, dot);
  const name = value.type.slice(dot + 1);
  if (owner !== "" && !aliases.includes(owner)) {
    log.dropped(field, `this tool is run by ${owner} only`);
    return undefined;
  }
  const portable = portableTools[name];
  if (portable === undefined && owner === "") {
    log.unsupported(field, `the provider runs no tool "${name}"`);
    return undefined;
  }
  return { ...(portable ?? { type: name }), ...value.settings };
}

function toChoice(request: CompleteRequest): JsonOut | undefined {
  const choice = request.toolChoice;
  if (choice === undefined) return undefined;
  const { mode, allowedTools } = choice;
  if (mode === ToolMode.NONE) return "none";
  const [only] = allowedTools;
  if (mode === ToolMode.REQUIRED && allowedTools.length === 1 && only !== undefined) return toNamed(only, request);
  const word = mode === ToolMode.REQUIRED ? "required" : "auto";
  if (allowedTools.length > 0) {
    return { type: "allowed_tools", mode: word, tools: allowedTools.map((name) => toNamed(name, request)) };
  }
  return mode === ToolMode.UNSPECIFIED ? undefined : word;
}

function toNamed(name: string, request: CompleteRequest): JsonOutObject {
  const tool = request.tools.find(
    ({ kind }) => (kind.case === "provider" ? kind.value.type : kind.value?.name) === name,
  );
  if (tool?.kind.case === "freeForm") return { type: "custom", name };
  if (tool?.kind.case === "provider") return { type: name.slice(name.indexOf(".") + 1) };
  return { type: "function", name };
}
