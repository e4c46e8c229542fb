// What one attempt of an operation other than chat produced, in the words of the contract. A list that was cut into several
// requests gives one result for each; the pipeline puts them together.
import type {
  Embedding,
  GeneratedImage,
  RerankResult,
  SafetyFinding,
  TranscriptSpan,
  Usage,
  Warning,
} from "../contract.ts";

export type OperationFacts = {
  /** `undefined` when the provider reported none. */
  readonly usage: Usage | undefined;
  /** Model name that the provider reported; "" when it did not. */
  readonly responseModel: string;
  readonly warnings: readonly Warning[];
};

/** Vectors in the order of the inputs. */
export type Embeddings = OperationFacts & { readonly embeddings: readonly Embedding[] };

/** Best first. */
export type Reranking = OperationFacts & { readonly results: readonly RerankResult[] };

export type Moderation = OperationFacts & { readonly flagged: boolean; readonly findings: readonly SafetyFinding[] };

export type GeneratedImages = OperationFacts & {
  readonly images: readonly GeneratedImage[];
  readonly safetyFindings: readonly SafetyFinding[];
};

export type Transcript = OperationFacts & {
  readonly text: string;
  /** BCP 47 tag of the language found; "" when the provider does not say. */
  readonly languageCode: string;
  /** Length of the audio; `undefined` when the provider does not say. */
  readonly durationMs: number | undefined;
  readonly segments: readonly TranscriptSpan[];
  readonly words: readonly TranscriptSpan[];
};
