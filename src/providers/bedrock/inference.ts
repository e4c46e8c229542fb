// Sampling and reasoning: what all models take goes into `inferenceConfig`, what a vendor adds into
// `additionalModelRequestFields`. Claude's rules are those of its own API.
import { type CompleteRequest, ReasoningEffort, type ReasoningOptions, ReasoningVisibility } from "../../contract.ts";
import { traitsOf } from "../anthropic/model-traits.ts";
import { toSampling } from "../anthropic/sampling.ts";
import { toThinking } from "../anthropic/thinking.ts";
import { toEffort } from "../compatible/request-reasoning.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteNoSummary, noteRareSampling } from "../note-absent.ts";
import type { TranslationContext } from "../provider.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelFamily } from "./model-family.ts";

export type Inference = {
  readonly inferenceConfig: JsonOutObject | undefined;
  /** Members of `additionalModelRequestFields`. */
  readonly additional: JsonOutObject;
};

export function toInference(
  request: CompleteRequest,
  context: TranslationContext,
  family: ModelFamily,
  isToolForced: boolean,
  log: TranslationLog,
): Inference {
  if (family.name === "claude") return toClaudeInference(request, context, isToolForced, log);
  const { sampling } = request;
  const additional = { ...toTopK(sampling?.topK, family, log), ...toReasoning(request.reasoning, family, log) };
  if (sampling === undefined) return { inferenceConfig: undefined, additional };
  noteRareSampling(sampling, "the Converse API has no such parameter", log);
  return {
    inferenceConfig: toConfig({
      maxTokens: sampling.maxOutputTokens,
      temperature: sampling.temperature,
      topP: sampling.topP,
      stopSequences: sampling.stopSequences.length > 0 ? sampling.stopSequences : undefined,
    }),
    additional,
  };
}

function toClaudeInference(
  request: CompleteRequest,
  { model, facts }: TranslationContext,
  isToolForced: boolean,
  log: TranslationLog,
): Inference {
  const traits = traitsOf(model);
  const asked = request.sampling?.maxOutputTokens;
  const maxTokens = asked ?? facts.maxOutputTokens ?? traits.maxTokensDefault;
  const { thinking, effort, isOn } = toThinking(request.reasoning, traits, maxTokens, isToolForced, log);
  const { temperature, top_p: topP, top_k, stop_sequences: stopSequences } = toSampling(request, traits, isOn, log);
  // Without a limit of its own the model's is taken; a budget for thinking needs one to be part of.
  const limit = isOn ? maxTokens : asked;
  return {
    inferenceConfig: toConfig({ maxTokens: limit, temperature, topP, stopSequences }),
    additional: { top_k, thinking, output_config: effort === undefined ? undefined : { effort } },
  };
}

function toConfig(config: JsonOutObject): JsonOutObject | undefined {
  return Object.values(config).some((value) => value !== undefined) ? config : undefined;
}

function toTopK(topK: number | undefined, family: ModelFamily, log: TranslationLog): JsonOutObject {
  if (topK === undefined) return {};
  switch (family.topK) {
    case "top_k":
      return { top_k: topK };
    case "inferenceConfig.topK":
      return { inferenceConfig: { topK } };
    case undefined:
      log.dropped("sampling.top_k", "this model has no such parameter");
      return {};
    default:
      return family.topK satisfies never;
  }
}

function toReasoning(options: ReasoningOptions | undefined, family: ModelFamily, log: TranslationLog): JsonOutObject {
  if (options === undefined) return {};
  if (options.visibility === ReasoningVisibility.HIDDEN) {
    log.dropped("reasoning.visibility", "this model always shows its reasoning");
  }
  noteNoSummary(options.visibility, log);
  if (options.effort === ReasoningEffort.UNSPECIFIED && options.budgetTokens === undefined) return {};
  const isOff = options.effort === ReasoningEffort.NONE || options.budgetTokens === 0;
  switch (family.name) {
    case "nova-2": {
      if (isOff) return { reasoningConfig: { type: "disabled" } };
      const maxReasoningEffort = toEffort(options, ["low", "medium", "high"], log);
      return { reasoningConfig: { type: "enabled", maxReasoningEffort } };
    }
    case "gpt-oss":
      return { reasoning_effort: toEffort(options, ["low", "medium", "high"], log) };
    case "reasoning-config":
      return isOff ? {} : { reasoning_config: toEffort(options, ["low", "medium", "high"], log) };
    default:
      if (!isOff) log.dropped("reasoning", "this model has no control over reasoning");
      return {};
  }
}
