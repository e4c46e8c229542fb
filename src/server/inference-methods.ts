import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  CompleteRequestSchema,
  CountTokensRequestSchema,
  EmbedRequestSchema,
  ErrorReason,
  GenerateImagesRequestSchema,
  InferenceService,
  ModerateRequestSchema,
  RerankRequestSchema,
  StreamCompleteRequestSchema,
  StreamSpeechRequestSchema,
  TranscribeRequestSchema,
} from "../contract.ts";
import { CallFailure, type FieldViolation } from "../domain/call-failure.ts";
import {
  validateComplete,
  validateCountTokens,
  validateEmbed,
  validateGenerateImages,
  validateModerate,
  validateRerank,
  validateStreamComplete,
  validateStreamSpeech,
  validateTranscribe,
} from "../validation/validate-request.ts";

/** What a served method of InferenceService takes, and how its message is checked. */
export type InferenceMethodSpec<Desc extends DescMessage = DescMessage> = {
  readonly schema: Desc;
  readonly validate: (request: MessageShape<Desc>) => readonly FieldViolation[];
};

export const inferenceMethods = {
  Complete: { schema: CompleteRequestSchema, validate: validateComplete },
  StreamComplete: { schema: StreamCompleteRequestSchema, validate: validateStreamComplete },
  CountTokens: { schema: CountTokensRequestSchema, validate: validateCountTokens },
  Embed: { schema: EmbedRequestSchema, validate: validateEmbed },
  Rerank: { schema: RerankRequestSchema, validate: validateRerank },
  Moderate: { schema: ModerateRequestSchema, validate: validateModerate },
  GenerateImages: { schema: GenerateImagesRequestSchema, validate: validateGenerateImages },
  StreamSpeech: { schema: StreamSpeechRequestSchema, validate: validateStreamSpeech },
  Transcribe: { schema: TranscribeRequestSchema, validate: validateTranscribe },
} as const;

export const inferenceMethodNames = [
  "Complete",
  "StreamComplete",
  "CountTokens",
  "Embed",
  "Rerank",
  "Moderate",
  "GenerateImages",
  "StreamSpeech",
  "Transcribe",
] as const satisfies readonly (keyof typeof inferenceMethods)[];

/** E.g. "/llmgateway.v1.InferenceService/Complete". */
export function inferencePath(method: keyof typeof inferenceMethods): string {
  return `/${InferenceService.typeName}/${method}`;
}

/** Throws `CallFailure` INVALID_REQUEST with every rule that the request breaks. */
export function assertValid<Desc extends DescMessage>(
  spec: InferenceMethodSpec<Desc>,
  request: MessageShape<Desc>,
): MessageShape<Desc> {
  const violations = spec.validate(request);
  if (violations.length > 0) {
    throw new CallFailure(ErrorReason.INVALID_REQUEST, "the request breaks a rule of the contract", { violations });
  }
  return request;
}
