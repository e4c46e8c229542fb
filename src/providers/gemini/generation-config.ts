import {
  type CompleteRequest,
  MediaDetail,
  Modality,
  type Part,
  type SamplingParams,
  Verbosity,
} from "../../contract.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";
import { toThinkingConfig } from "./thinking-config.ts";

/** `generationConfig` (ai.google.dev/api/generate-content#generationconfig). */
export function toGenerationConfig(request: CompleteRequest, traits: ModelTraits, log: TranslationLog): JsonOutObject {
  return {
    ...toSampling(request.sampling, log),
    ...toFormat(request, log),
    thinkingConfig: toThinkingConfig(request.reasoning, traits, log),
    responseModalities: toModalities(request.outputModalities, log),
    speechConfig: toSpeech(request, log),
    mediaResolution: toResolution(request, log),
  };
}

/** "Generation config": most stop sequences. */
const stopSequencesMax = 5;

function toSampling(sampling: SamplingParams | undefined, log: TranslationLog): JsonOutObject {
  if (sampling === undefined) return {};
  noteUnknown(sampling, log);
  const { stopSequences, topLogprobs } = sampling;
  if (stopSequences.length > stopSequencesMax) {
    log.adjusted("sampling.stop_sequences", `only the first ${stopSequencesMax} were sent`);
  }
  return {
    maxOutputTokens: sampling.maxOutputTokens,
    temperature: sampling.temperature,
    topP: sampling.topP,
    topK: sampling.topK,
    frequencyPenalty: sampling.frequencyPenalty,
    presencePenalty: sampling.presencePenalty,
    seed: toSeed(sampling.seed, log),
    stopSequences: stopSequences.length > 0 ? stopSequences.slice(0, stopSequencesMax) : undefined,
    responseLogprobs: topLogprobs === undefined ? undefined : true,
    logprobs: topLogprobs === undefined || topLogprobs === 0 ? undefined : topLogprobs,
  };
}

function noteUnknown(sampling: SamplingParams, log: TranslationLog): void {
  const unknown = {
    "sampling.min_p": sampling.minP,
    "sampling.repetition_penalty": sampling.repetitionPenalty,
    "sampling.logit_bias": Object.keys(sampling.logitBias).length > 0 ? true : undefined,
    "sampling.verbosity": sampling.verbosity === Verbosity.UNSPECIFIED ? undefined : true,
  };
  for (const [field, value] of Object.entries(unknown)) {
    if (value !== undefined) log.dropped(field, "Gemini has no such parameter");
  }
}

/** The API's seed is an int32. */
function toSeed(seed: bigint | undefined, log: TranslationLog): number | undefined {
  if (seed === undefined) return undefined;
  const narrowed = BigInt.asIntN(32, seed);
  if (narrowed !== seed) log.adjusted("sampling.seed", "was cut to 32 bits");
  return Number(narrowed);
}

function toFormat(request: CompleteRequest, log: TranslationLog): JsonOutObject {
  const format = request.responseFormat?.format;
  switch (format?.case) {
    case undefined:
    case "text":
      return {};
    case "jsonObject":
      return { responseMimeType: "application/json" };
    case "jsonSchema":
      if (format.value.description !== "") {
        log.dropped("response_format.json_schema.description", "only the schema itself is sent");
      }
      return { responseMimeType: "application/json", responseJsonSchema: new RawJson(format.value.schemaJson) };
    case "grammar":
      log.dropped("response_format.grammar", "Gemini takes no grammar");
      return {};
    default:
      return format satisfies never;
  }
}

const modalityNames: Readonly<Record<number, string>> = {
  [Modality.TEXT]: "TEXT",
  [Modality.IMAGE]: "IMAGE",
  [Modality.AUDIO]: "AUDIO",
};

function toModalities(modalities: readonly Modality[], log: TranslationLog): readonly string[] | undefined {
  if (modalities.length === 0) return undefined;
  return modalities.flatMap((modality, index) => {
    const name = modalityNames[modality];
    if (name === undefined) log.unsupported(`output_modalities[${index}]`, "only text, images and audio are generated");
    return name ?? [];
  });
}

function toSpeech(request: CompleteRequest, log: TranslationLog): JsonOutObject | undefined {
  const { audioOutput } = request;
  if (audioOutput === undefined) return undefined;
  if (audioOutput.mediaType !== "") log.dropped("audio_output.media_type", "the format of audio cannot be chosen");
  if (audioOutput.voice === "") return undefined;
  return { voiceConfig: { prebuiltVoiceConfig: { voiceName: audioOutput.voice } } };
}

const resolutionNames: Readonly<Record<number, string>> = {
  [MediaDetail.LOW]: "MEDIA_RESOLUTION_LOW",
  [MediaDetail.MEDIUM]: "MEDIA_RESOLUTION_MEDIUM",
  [MediaDetail.HIGH]: "MEDIA_RESOLUTION_HIGH",
};

/** One setting for all media of a request: the highest that was asked for. */
function toResolution(request: CompleteRequest, log: TranslationLog): string | undefined {
  const details = request.messages.flatMap((message) => message.parts.flatMap(detailOf));
  const asked = new Set(details.filter((detail) => detail !== MediaDetail.UNSPECIFIED));
  if (asked.size === 0) return undefined;
  if (new Set(details).size > 1) log.adjusted("messages", "the highest level of detail goes for all media");
  return resolutionNames[Math.max(...asked)];
}

function detailOf(part: Part): readonly MediaDetail[] {
  return part.content.case === "image" || part.content.case === "video" ? [part.content.value.detail] : [];
}
