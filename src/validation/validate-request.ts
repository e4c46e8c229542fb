import {
  type CompleteRequest,
  CompleteRequestSchema,
  type CountTokensRequest,
  CountTokensRequestSchema,
  EmbedRequestSchema,
  GenerateImagesRequestSchema,
  ModerateRequestSchema,
  RerankRequestSchema,
  type StreamCompleteRequest,
  StreamCompleteRequestSchema,
  StreamSpeechRequestSchema,
  TranscribeRequestSchema,
} from "../contract.ts";
import type { FieldViolation } from "../domain/call-failure.ts";
import { compileRules } from "./compile-rules.ts";
import { checkContent } from "./content-rules.ts";
import { Trail } from "./trail.ts";

const checkComplete = compileRules(CompleteRequestSchema);
const checkStream = compileRules(StreamCompleteRequestSchema);
const checkCount = compileRules(CountTokensRequestSchema);

/** Requests that are not chat keep to the plain rules: each provider says for itself which parts it takes. */
export const validateEmbed = compileRules(EmbedRequestSchema);
export const validateRerank = compileRules(RerankRequestSchema);
export const validateModerate = compileRules(ModerateRequestSchema);
export const validateGenerateImages = compileRules(GenerateImagesRequestSchema);
export const validateStreamSpeech = compileRules(StreamSpeechRequestSchema);
export const validateTranscribe = compileRules(TranscribeRequestSchema);

/** What is wrong with the request, by the rules of the contract; none: it may be served. */
export function validateComplete(request: CompleteRequest): readonly FieldViolation[] {
  return orContent(checkComplete(request), request, []);
}

export function validateStreamComplete(request: StreamCompleteRequest): readonly FieldViolation[] {
  const completion = request.start.case === "request" ? request.start.value : undefined;
  return orContent(checkStream(request), completion, ["request"]);
}

export function validateCountTokens(request: CountTokensRequest): readonly FieldViolation[] {
  return orContent(checkCount(request), request.request, ["request"]);
}

/** The rules on roles and parts are told only when the plain ones are kept: they build on them. */
function orContent(
  violations: readonly FieldViolation[],
  request: CompleteRequest | undefined,
  path: readonly string[],
): readonly FieldViolation[] {
  if (violations.length > 0 || request === undefined) {
    return violations;
  }
  const trail = new Trail();
  for (const segment of path) {
    trail.enter(segment);
  }
  checkContent(request, trail);
  return trail.violations;
}
