import type { Provider } from "../provider.ts";
import { createEmbedOperation } from "./embed.ts";
import { createImagesOperation } from "./generate-images.ts";
import { createModerateOperation } from "./moderate.ts";
import type { OperationRules } from "./operation-rules.ts";
import { createRerankOperation } from "./rerank.ts";
import { createSpeechOperation } from "./speech.ts";
import { createTranscribeOperation } from "./transcribe.ts";

type Operations = Pick<Provider, "embed" | "rerank" | "moderate" | "generateImages" | "transcribe" | "speech">;

/** What every place that hosts OpenAI's API has beside chat. */
export function createHostedOperations(rules: OperationRules): Operations {
  return {
    embed: createEmbedOperation(rules),
    generateImages: createImagesOperation(rules),
    transcribe: createTranscribeOperation(rules),
    speech: createSpeechOperation(rules),
  };
}

/** The same, and the moderation of OpenAI's own API. `name`: how findings name the provider. */
export function createOpenAiOperations(rules: OperationRules, name: string): Operations {
  return {
    ...createHostedOperations(rules),
    moderate: createModerateOperation({ ...rules, source: name, images: true }),
  };
}

/** The same, and the reranking that compatible servers add. */
export function createCompatibleOperations(rules: OperationRules, name: string): Operations {
  return { ...createOpenAiOperations(rules, name), rerank: createRerankOperation(rules) };
}
