// The shapes of the Messages API that we touch (platform.claude.com/docs/en/api/messages).
import type { JsonOutObject, RawJson } from "../json-writer.ts";

/** A content block to send. Raw when it goes back as it came: new kinds arrive monthly. */
export type Block = JsonOutObject | RawJson;

export type Turn = { readonly role: "user" | "assistant"; readonly content: readonly Block[] };

/**
 * Name of the tool that stands in for a JSON schema on models without `output_config.format`. The reader turns its call
 * back into text, so no caller ever sees it.
 */
export const outputToolName = "llmgateway_structured_output";

/** Provider in `OpaqueState` and `ProviderPart`: signatures are valid on the Claude API, Vertex AI and Bedrock alike. */
export const stateProvider = "anthropic";
