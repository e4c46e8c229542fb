// A neutral request to the body of the Messages API, without what the hosts do differently: the Claude API wants `model`
// and `stream` in it, Vertex AI and Bedrock `anthropic_version`.
import { type CompleteRequest, Modality } from "../../contract.ts";
import type { FieldViolation } from "../../domain/call-failure.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteForeignState } from "../note-foreign-state.ts";
import type { TranslationContext } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";
import { type Cacheable, withBreakpoints } from "./cache-control.ts";
import type { PartContext } from "./content-block.ts";
import { toConversation } from "./conversation.ts";
import { traitsOf } from "./model-traits.ts";
import { type OutputFormat, toOutputFormat } from "./output-format.ts";
import { toSampling } from "./sampling.ts";
import { toThinking } from "./thinking.ts";
import { type Choice, toToolChoice } from "./tool-choice.ts";
import { toTools } from "./tools.ts";
import { type Block, stateProvider } from "./wire.ts";

export type MessagesBody =
  | {
      readonly kind: "body";
      readonly body: JsonOutObject;
      /** Values of `anthropic-beta`: a header on the Claude API and Vertex AI, a body field on Bedrock. */
      readonly betas: readonly string[];
      readonly log: TranslationLog;
    }
  | { readonly kind: "unsupported"; readonly violations: readonly FieldViolation[] };

/** `aliases`: names under which options and state of this provider stand in the request. */
export function toMessagesBody(
  request: CompleteRequest,
  context: TranslationContext,
  aliases: readonly string[],
): MessagesBody {
  const log = createTranslationLog();
  const traits = traitsOf(context.model);
  const parts: PartContext = { request, aliases, log, betas: new Set() };
  noteElsewhere(request, log);

  const output = toOutputFormat(request, traits, context.facts.jsonSchema, log);
  const choice = withOutputTool(toToolChoice(request, traits, log), output, traits.forcedTool, request);
  const maxTokens = request.sampling?.maxOutputTokens ?? context.facts.maxOutputTokens ?? traits.maxTokensDefault;
  const thinking = toThinking(request.reasoning, traits, maxTokens, choice.isForced, log);
  const tools = toTools(request, choice.allowed, parts);
  const conversation = toConversation(request.messages, parts);
  noteForeignState(request, [...aliases, stateProvider], log);
  const prompt = withBreakpoints(
    {
      tools: output.tool === undefined ? tools : [...tools, output.tool],
      system: [...conversation.system, ...toInstructions([choice.instruction, output.instruction])],
      messages: conversation.messages,
    },
    request,
    log,
  );
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };

  const { anthropic_beta: asked, ...options } = providerOptionsOf(request.providerOptions, aliases);
  const body = {
    max_tokens: maxTokens,
    ...toPrompt(prompt),
    tool_choice: choice.toolChoice,
    thinking: thinking.thinking,
    output_config: toOutputConfig(thinking.effort, output),
    ...toSampling(request, traits, thinking.isOn, log),
    metadata: request.endUserId === "" ? undefined : { user_id: request.endUserId },
    service_tier: toServiceTier(request.serviceTier, log),
    ...options,
  };
  for (const beta of toBetas(asked)) parts.betas.add(beta);
  return { kind: "body", body, betas: [...parts.betas], log };
}

/** What the contract has and this API has no place for. */
function noteElsewhere(request: CompleteRequest, log: TranslationLog): void {
  const foreign = request.outputModalities.filter((modality) => modality !== Modality.TEXT);
  if (foreign.length > 0) log.unsupported("output_modalities", "only text can be generated");
  if (request.audioOutput !== undefined) log.dropped("audio_output", "no audio can be generated");
  if ((request.promptCache?.key ?? "") !== "") log.dropped("prompt_cache.key", "Anthropic has no cache keys");
  if ((request.promptCache?.cachedContent ?? "") !== "") {
    log.dropped("prompt_cache.cached_content", "Anthropic has no named caches");
  }
}

/** A model that is to answer by tool has to call it; with tools of the caller's own it may call those first. */
function withOutputTool(choice: Choice, output: OutputFormat, canForce: boolean, request: CompleteRequest): Choice {
  if (output.tool === undefined || !canForce || request.reasoning !== undefined) return choice;
  const name = output.tool["name"];
  const isAlone = request.tools.length === 0 || choice.toolChoice?.["type"] === "none";
  return { ...choice, toolChoice: isAlone ? { type: "tool", name } : { type: "any" }, isForced: true };
}

function toInstructions(sentences: readonly string[]): readonly Block[] {
  return sentences.filter((text) => text !== "").map((text) => ({ type: "text", text }));
}

function toPrompt(prompt: Cacheable): JsonOutObject {
  return {
    system: prompt.system.length > 0 ? prompt.system : undefined,
    messages: prompt.messages,
    tools: prompt.tools.length > 0 ? prompt.tools : undefined,
  };
}

function toOutputConfig(effort: string | undefined, output: OutputFormat): JsonOutObject | undefined {
  return effort === undefined && output.format === undefined ? undefined : { effort, format: output.format };
}

const tiers = wordTable<string>({
  auto: "auto",
  priority: "auto", // Priority capacity is used when the account has any.
  default: "standard_only",
  standard: "standard_only",
  standard_only: "standard_only",
});

function toServiceTier(tier: string, log: TranslationLog): string | undefined {
  if (tier !== "" && tiers[tier] === undefined) log.dropped("service_tier", `Anthropic has no tier "${tier}"`);
  return tiers[tier];
}

function toBetas(asked: unknown): readonly string[] {
  if (typeof asked === "string") return asked.split(",").map((beta) => beta.trim());
  return Array.isArray(asked) ? asked.filter((beta) => typeof beta === "string") : [];
}
