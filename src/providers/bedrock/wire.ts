// The words of Amazon Bedrock's runtime API that several files share (docs.aws.amazon.com/bedrock/latest/APIReference,
// "Amazon Bedrock Runtime").
import type { JsonOutObject, RawJson } from "../json-writer.ts";

/** `gen_ai.provider.name`; provider in `OpaqueState` and `ProviderPart`. */
export const bedrockName = "aws.bedrock";

/** Provider of the signatures of Claude's thinking: they are valid on every platform that has Claude. */
export const claudeStateProvider = "anthropic";

/** A content block to send. Raw when it goes back as it came. */
export type Block = JsonOutObject | RawJson;

export type Turn = { readonly role: "user" | "assistant"; readonly content: readonly Block[] };
