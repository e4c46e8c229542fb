// What OpenAI's own models refuse, wherever they are hosted.
import { type CompleteRequest, ReasoningEffort } from "../../contract.ts";
import type { SamplingName } from "./dialect.ts";

/** Models that reason before they answer. Chat variants of GPT-5 do not. https://platform.openai.com/docs/guides/reasoning */
export function isReasoningModel(model: string): boolean {
  const name = model.slice(model.lastIndexOf("/") + 1); // "ft:" and hosted names keep theirs behind a slash.
  return /^(?:o\d|gpt-[5-9])/.test(name) && !name.includes("chat");
}

const none: ReadonlySet<SamplingName> = new Set();

/** "Unsupported parameter" with status 400 otherwise (recorded for `stop`, 2026-03). */
const refusedByReasoning: ReadonlySet<SamplingName> = new Set([
  "temperature",
  "topP",
  "frequencyPenalty",
  "presencePenalty",
  "logitBias",
  "topLogprobs",
  "stopSequences",
]);

const refusedWithoutReasoning: ReadonlySet<SamplingName> = new Set([
  "frequencyPenalty",
  "presencePenalty",
  "logitBias",
  "stopSequences",
]);

/** Sampling parameters that a model refuses. GPT-5.1 and later take some while their reasoning is off. */
export function lacksOfModel(model: string, request: CompleteRequest): ReadonlySet<SamplingName> {
  if (!isReasoningModel(model)) return none;
  const isOff = request.reasoning?.effort === ReasoningEffort.NONE;
  return isOff && /gpt-(?:5\.[1-9]|[6-9])/.test(model) ? refusedWithoutReasoning : refusedByReasoning;
}
