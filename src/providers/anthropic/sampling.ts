import type { CompleteRequest } from "../../contract.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteRareSampling } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";

/**
 * Sampling parameters of the body, without `max_tokens`. While the model thinks, it takes none of the three
 * ("Extended thinking", "Feature compatibility").
 */
export function toSampling(
  request: CompleteRequest,
  traits: ModelTraits,
  isThinking: boolean,
  log: TranslationLog,
): JsonOutObject {
  const { sampling } = request;
  if (sampling === undefined) return {};
  noteRareSampling(sampling, "Anthropic has no such parameter", log);
  const stopSequences = sampling.stopSequences.length > 0 ? sampling.stopSequences : undefined;
  if (!traits.sampling || isThinking) {
    const reason = isThinking ? "cannot be set while the model thinks" : "is not taken by this model";
    if (sampling.temperature !== undefined) log.dropped("sampling.temperature", reason);
    if (sampling.topP !== undefined) log.dropped("sampling.top_p", reason);
    if (sampling.topK !== undefined) log.dropped("sampling.top_k", reason);
    return { stop_sequences: stopSequences };
  }
  const temperature = toTemperature(sampling.temperature, log);
  return {
    temperature,
    top_p: toTopP(sampling.topP, temperature, traits, log),
    top_k: sampling.topK,
    stop_sequences: stopSequences,
  };
}

function toTemperature(temperature: number | undefined, log: TranslationLog): number | undefined {
  if (temperature === undefined || temperature <= 1) return temperature;
  log.adjusted("sampling.temperature", "the highest temperature is 1");
  return 1;
}

function toTopP(
  topP: number | undefined,
  temperature: number | undefined,
  traits: ModelTraits,
  log: TranslationLog,
): number | undefined {
  if (topP === undefined || temperature === undefined || traits.temperatureWithTopP) return topP;
  log.dropped("sampling.top_p", "cannot be set beside temperature on this model");
  return undefined;
}
