// A neutral request to the body of Converse. The order of members is fixed, so that equal requests give equal bytes.
import type { CompleteRequest } from "../../contract.ts";
import type { FieldViolation } from "../../domain/call-failure.ts";
import { traitsOf } from "../anthropic/model-traits.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import { noteNoCachedContent, noteNoEndUser, noteTextOnly } from "../note-absent.ts";
import { noteForeignState } from "../note-foreign-state.ts";
import type { TranslationContext } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { withCachePoints } from "./cache-point.ts";
import type { PartContext } from "./content-block.ts";
import { toConversation } from "./conversation.ts";
import { toInference } from "./inference.ts";
import { familyOf } from "./model-family.ts";
import { toOutputFormat } from "./output-format.ts";
import { toToolConfig } from "./tool-config.ts";
import { claudeStateProvider } from "./wire.ts";

export type ConverseBody =
  | { readonly kind: "body"; readonly body: JsonOutObject; readonly log: TranslationLog }
  | { readonly kind: "unsupported"; readonly violations: readonly FieldViolation[] };

/** `aliases`: names under which options and state of this provider stand. */
export function toConverseBody(
  request: CompleteRequest,
  context: TranslationContext,
  aliases: readonly string[],
): ConverseBody {
  const log = createTranslationLog();
  const family = familyOf(context.model);
  const isClaude = family.name === "claude";
  const names = isClaude ? [...aliases, claudeStateProvider] : aliases;
  const parts: PartContext = { request, aliases: names, log, documentNames: new Set() };
  noteAbsent(request, log);

  const { tools, toolChoice, isForced } = toToolConfig(request, !isClaude || traitsOf(context.model).forcedTool, parts);
  const output = toOutputFormat(request, context, family, log);
  const { inferenceConfig, additional } = toInference(request, context, family, isForced, log);
  const conversation = toConversation(request.messages, parts);
  noteForeignState(request, names, log);
  const instruction = output.instruction === "" ? [] : [{ text: output.instruction }];
  const system = [...conversation.system, ...instruction];
  const prompt = withCachePoints({ tools, system, messages: conversation.messages }, request, context.model, log);
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };

  const { additionalModelRequestFields: own, ...options } = providerOptionsOf(request.providerOptions, aliases);
  const body = {
    messages: prompt.messages,
    system: prompt.system.length > 0 ? prompt.system : undefined,
    inferenceConfig,
    toolConfig: prompt.tools.length > 0 ? { tools: prompt.tools, toolChoice } : undefined,
    additionalModelRequestFields: toAdditional(additional, own),
    outputConfig: output.outputConfig,
    serviceTier: request.serviceTier === "" ? undefined : { type: request.serviceTier },
    ...options,
  };
  return { kind: "body", body, log };
}

function noteAbsent(request: CompleteRequest, log: TranslationLog): void {
  noteTextOnly(request, log);
  noteNoCachedContent(request, log);
  noteNoEndUser(request, log);
  if ((request.promptCache?.key ?? "") !== "") log.dropped("prompt_cache.key", "the provider has no cache keys");
}

/** The caller's own members lie over ours. */
function toAdditional(ours: JsonOutObject, own: JsonOut | undefined): JsonOutObject | undefined {
  const all = { ...ours, ...(isObject(own) ? own : {}) };
  return Object.values(all).some((value) => value !== undefined) ? all : undefined;
}

function isObject(value: JsonOut | undefined): value is JsonOutObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof RawJson);
}
