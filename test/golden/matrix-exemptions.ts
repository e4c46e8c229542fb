// What need not be sent to a provider, each with its reason: the only ways in which a field may be neither carried nor
// spoken of in a warning.
import type { MatrixTarget } from "./matrix-targets.ts";

export type Exemption = { readonly prefix: string; readonly because: string };

const gatewayReads = "the gateway acts on it; no provider is told";
const answersOnly = "describes an answer; no part of a prompt";
const otherKind = "the contract gives it no meaning for this kind of part";

/** Fields that no provider is sent, by the beginning of their path. */
export const notSent: readonly Exemption[] = [
  { prefix: "model", because: "the gateway chooses a target; its own model name is sent" },
  { prefix: "prompt.", because: "the gateway renders stored prompts into messages" },
  { prefix: "response_cache.", because: gatewayReads },
  { prefix: "routing.", because: gatewayReads },
  { prefix: "guardrails[]", because: gatewayReads },
  { prefix: "unsupported_parameters=", because: gatewayReads },
  { prefix: "include[]", because: gatewayReads },
  { prefix: "conversation_id", because: "it goes to usage events and traces" },
  { prefix: "labels", because: "they go to usage events" },
  { prefix: "request_id", because: gatewayReads },
  { prefix: "messages[].parts[].text.citations[]", because: answersOnly },
  { prefix: "messages[].parts[].text.logprobs[]", because: answersOnly },
  { prefix: "messages[].parts[].refusal.category", because: answersOnly },
  { prefix: "messages[].parts[].provider_metadata", because: answersOnly },
  { prefix: "messages[].parts[].tool_result.content[].provider_metadata", because: answersOnly },
  { prefix: "messages[].parts[].tool_result.content[].state", because: "answers have none inside a result" },
  { prefix: "messages[].parts[].tool_result.content[].reasoning", because: otherKind },
  { prefix: "messages[].parts[].tool_result.content[].tool_call", because: otherKind },
  { prefix: "messages[].parts[].tool_result.content[].tool_result", because: otherKind },
  { prefix: "messages[].parts[].tool_result.content[].refusal", because: otherKind },
  ...["image", "audio", "video"].flatMap((kind) => [
    { prefix: `messages[].parts[].${kind}.title`, because: otherKind },
    { prefix: `messages[].parts[].${kind}.citations_enabled`, because: otherKind },
  ]),
  ...["audio", "document"].map((kind) => ({ prefix: `messages[].parts[].${kind}.detail=`, because: otherKind })),
  ...["image", "document"].map((kind) => ({ prefix: `messages[].parts[].${kind}.transcript`, because: otherKind })),
];

/** Whether the field never concerns a provider. */
export function isNotSent(field: string): boolean {
  return notSent.some(({ prefix }) => field.startsWith(prefix));
}

type Silence = {
  readonly field: string;
  /** Names of targets; absent: all. */
  readonly targets?: readonly string[];
  readonly because: string;
};

const part = "messages[].parts[]";
const geminis = ["gemini", "gemini 3", "vertex"];
const schemasAlone = [...geminis, "anthropic", "bedrock invoke", "cohere", "ollama"];

const silences: readonly Silence[] = [
  { field: `${part}.tool_result.name`, because: "the name stands on the call, which the result names by its id" },
  {
    field: `${part}.tool_call.call_id`,
    targets: geminis,
    because: "calls and results are paired by name and order; only ids that the API gave go back",
  },
  {
    field: `${part}.tool_result.call_id`,
    targets: geminis,
    because: "calls and results are paired by name and order; only ids that the API gave go back",
  },
  {
    field: `${part}.tool_result.provider_executed`,
    targets: ["openai responses"],
    because: "the item of the call holds what its tool gave",
  },
  { field: `${part}.audio.transcript`, because: "the words are in the audio" },
  { field: `${part}.video.transcript`, because: "the words are in the video" },
  { field: `${part}.audio.media_type`, targets: ["mistral"], because: "the provider looks at the bytes" },
  { field: `${part}.image.media_type`, targets: ["ollama"], because: "the provider looks at the bytes" },
  ...["reasoning.text", "reasoning.kind=FULL", "reasoning.kind=SUMMARY"].map((field) => ({
    field: `${part}.${field}`,
    because: "the provider uses no reasoning of earlier turns",
  })),
  ...["state.item_id", "state.data"].map((field) => ({
    field: `${part}.${field}`,
    because: "the provider issues no such state, so none of its own can come back",
  })),
  {
    field: `${part}.reasoning.kind=REDACTED`,
    targets: ["cohere", "ollama"],
    because: "the provider hides no reasoning, so none of its own can come back",
  },
  { field: "tool_choice.mode=AUTO", because: "what it does unless told otherwise" },
  { field: "response_format.text", because: "what it does unless told otherwise" },
  { field: "output_modalities[]=TEXT", because: "what it does unless told otherwise" },
  { field: "response_format.json_schema.name", targets: schemasAlone, because: "only a label: the schema is sent" },
  { field: "response_format.json_schema.strict", targets: schemasAlone, because: "it always keeps to the schema" },
  { field: "reasoning.visibility=FULL", because: "it shows its reasoning as it is" },
  { field: "reasoning.visibility=HIDDEN", because: "it shows no reasoning, or none unless asked" },
  { field: "prompt_cache.mode=AUTO", because: "it caches prefixes by itself" },
  { field: "prompt_cache.mode=EXPLICIT", because: "no breakpoints are placed but the caller's own" },
  { field: "prompt_cache.mode=OFF", because: "no breakpoint is sent; caching by itself cannot be switched off" },
];

/** Why nothing is sent and nothing said for this field; `undefined`: there is no reason, so it is a fault. */
export function reasonForSilence(field: string, target: MatrixTarget): string | undefined {
  return silences.find((one) => one.field === field && (one.targets?.includes(target.name) ?? true))?.because;
}
