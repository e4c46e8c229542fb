import type { SamplingParams } from "../../contract.ts";
import { Verbosity } from "../../contract.ts";
import type { ModelFacts } from "../../domain/target.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { Dialect, SamplingName } from "./dialect.ts";

/** Path in the contract of each parameter. */
const fieldByName = {
  temperature: "sampling.temperature",
  topP: "sampling.top_p",
  topK: "sampling.top_k",
  minP: "sampling.min_p",
  frequencyPenalty: "sampling.frequency_penalty",
  presencePenalty: "sampling.presence_penalty",
  repetitionPenalty: "sampling.repetition_penalty",
  seed: "sampling.seed",
  stopSequences: "sampling.stop_sequences",
  logitBias: "sampling.logit_bias",
  topLogprobs: "sampling.top_logprobs",
  verbosity: "sampling.verbosity",
} as const satisfies Record<SamplingName, string>;

const names = [
  "temperature",
  "topP",
  "topK",
  "minP",
  "frequencyPenalty",
  "presencePenalty",
  "repetitionPenalty",
  "seed",
  "stopSequences",
  "logitBias",
  "topLogprobs",
  "verbosity",
] as const satisfies readonly SamplingName[];

const verbosityWord: Readonly<Partial<Record<Verbosity, string>>> = {
  [Verbosity.LOW]: "low",
  [Verbosity.MEDIUM]: "medium",
  [Verbosity.HIGH]: "high",
};

/** What the model, rather than the server, takes. */
export type ModelLimits = {
  /** Parameters that it refuses. */
  readonly lacks: ReadonlySet<SamplingName>;
  readonly facts: ModelFacts;
};

/** Sampling and length. What is unset never appears; a set 0 does. */
export function toSampling(
  sampling: SamplingParams | undefined,
  dialect: Dialect,
  model: ModelLimits,
  log: TranslationLog,
): JsonOutObject {
  if (sampling === undefined) return {};
  const body: Record<string, JsonOut | undefined> = { [dialect.maxTokens]: toMaxTokens(sampling, model, log) };
  for (const name of names) {
    const value = toValue(name, sampling, dialect, log);
    if (value === undefined) continue;
    const wireName = dialect.sampling[name];
    if (wireName === undefined) log.dropped(fieldByName[name], "the provider has no such parameter");
    else if (model.lacks.has(name)) log.dropped(fieldByName[name], "the model does not take this parameter");
    else Object.assign(body, toMembers(name, wireName, value, dialect));
  }
  return body;
}

/** Servers refuse more than the model can; what was meant is "as much as possible". */
function toMaxTokens(sampling: SamplingParams, { facts }: ModelLimits, log: TranslationLog): number | undefined {
  const asked = sampling.maxOutputTokens;
  const most = facts.maxOutputTokens;
  if (asked === undefined || most === undefined || asked <= most) return asked;
  log.adjusted("sampling.max_output_tokens", `the model gives at most ${most} tokens`);
  return most;
}

/** The value as JSON; `undefined` when the caller did not set it. */
function toValue(
  name: SamplingName,
  sampling: SamplingParams,
  dialect: Dialect,
  log: TranslationLog,
): JsonOut | undefined {
  switch (name) {
    case "seed":
      return sampling.seed === undefined ? undefined : new RawJson(sampling.seed.toString());
    case "stopSequences":
      return toStops(sampling.stopSequences, dialect.stopSequencesMax, log);
    case "logitBias":
      return Object.keys(sampling.logitBias).length === 0 ? undefined : { ...sampling.logitBias };
    case "verbosity":
      return verbosityWord[sampling.verbosity];
    default:
      return sampling[name];
  }
}

function toStops(stops: readonly string[], max: number | undefined, log: TranslationLog): JsonOut | undefined {
  if (stops.length === 0) return undefined;
  if (max === undefined || stops.length <= max) return stops;
  log.adjusted(fieldByName.stopSequences, `the provider takes ${max} stop sequences; the first ones were kept`);
  return stops.slice(0, max);
}

function toMembers(name: SamplingName, wireName: string, value: JsonOut, dialect: Dialect): JsonOutObject {
  if (name !== "topLogprobs") return { [wireName]: value };
  return dialect.logprobs === "number" ? { logprobs: value } : { logprobs: true, [wireName]: value };
}
