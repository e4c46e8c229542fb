import type { Observed } from "../observed.ts";
import * as anthropicMessages from "./anthropic-messages.ts";
import * as bedrockConverse from "./bedrock-converse.ts";
import * as bedrockInvoke from "./bedrock-invoke.ts";
import * as chatCompletions from "./chat-completions.ts";
import * as cohereChat from "./cohere-v2-chat.ts";
import * as googleGenerateContent from "./google-generate-content.ts";
import * as ollamaChat from "./ollama-chat.ts";
import * as responses from "./responses.ts";

/** An independent reading of raw answers, to compare the translation with. */
export type Oracle = {
  observeWhole(body: Uint8Array): Observed;
  observeStream(body: Uint8Array): Observed;
  /** Whether the bytes of a stream hold the provider's own end. */
  hasEnd(body: Uint8Array): boolean;
};

/** One row a protocol; a protocol with an adapter must have one. */
export const oracleByProtocol: Readonly<Record<string, Oracle>> = {
  "anthropic-messages": anthropicMessages,
  "bedrock-converse": bedrockConverse,
  "bedrock-invoke": bedrockInvoke,
  "chat-completions": chatCompletions,
  "cohere-v2-chat": cohereChat,
  "ollama-chat": ollamaChat,
  responses,
  "google-generate-content": googleGenerateContent,
  "vertex-anthropic": anthropicMessages,
};
