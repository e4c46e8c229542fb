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

const silences: readonly Silence[] = [
];

/** Why nothing is sent and nothing said for this field; `undefined`: there is no reason, so it is a fault. */
export function reasonForSilence(field: string, target: MatrixTarget): string | undefined {
  return silences.find((one) => one.field === field && (one.targets?.includes(target.name) ?? true))?.because;
}
