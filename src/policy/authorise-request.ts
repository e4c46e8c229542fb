// What one request of a caller may hold, ask for and weigh, whichever target serves it.
import { create } from "@bufbuild/protobuf";
import { type CompleteRequest, ErrorReason, type Part, SamplingParamsSchema } from "../contract.ts";
import { CallFailure, type FieldViolation } from "../domain/call-failure.ts";
import { type ModalityName, nameByModality } from "../domain/modality.ts";
import type { Caller } from "../domain/principal.ts";

/** What methods make that are not chat; chat makes what it is asked for. */
const outputByMethod: Readonly<Record<string, readonly ModalityName[]>> = {
  Embed: ["embedding"],
  GenerateImages: ["image"],
  StreamSpeech: ["audio"],
};

/**
 * Throws `CallFailure` PERMISSION_DENIED when the caller's grant does not allow a modality or a size of the request. Bounds
 * the output of a request that names no bound. `method`: of InferenceService.
 */
export function authoriseRequest(caller: Caller, request: CompleteRequest, inputTokens: number, method: string): void {
  const { inputModalities, outputModalities, inputTokensMax, outputTokensMax } = caller;
  if (inputModalities !== undefined) {
    const foreign = request.messages
      .flatMap(({ parts }) => modalitiesOf(parts))
      .find((name) => name === "unknown" || !inputModalities.includes(name));
    if (foreign !== undefined) throw refusal("messages", inputRefusal(foreign));
  }
  if (outputModalities !== undefined) {
    const foreign = outputOf(request, method).find((name) => name === "unknown" || !outputModalities.includes(name));
    if (foreign !== undefined) throw refusal("output_modalities", `${foreign} output is not allowed`);
  }
  if (inputTokensMax !== undefined && inputTokens > inputTokensMax) {
    throw refusal("messages", `about ${inputTokens} input tokens; at most ${inputTokensMax} are allowed`);
  }
  if (outputTokensMax !== undefined) boundOutput(request, outputTokensMax);
}

function boundOutput(request: CompleteRequest, outputTokensMax: number): void {
  const wished = request.sampling?.maxOutputTokens;
  if (wished !== undefined && wished > outputTokensMax) {
    throw refusal("sampling.max_output_tokens", `at most ${outputTokensMax} are allowed`);
  }
  if (wished !== undefined) return;
  request.sampling = { ...(request.sampling ?? create(SamplingParamsSchema)), maxOutputTokens: outputTokensMax };
}

function outputOf(request: CompleteRequest, method: string): readonly (ModalityName | "unknown")[] {
  const made = outputByMethod[method];
  if (made !== undefined) return made;
  return request.outputModalities.length === 0
    ? ["text"]
    : request.outputModalities.map((one) => nameByModality.get(one) ?? "unknown");
}

/** What is in a provider's own words, a part or its options, may be anything. */
function modalitiesOf(parts: readonly Part[]): readonly (ModalityName | "unknown")[] {
  return parts.flatMap(({ content, providerOptions }) => {
    if (Object.keys(providerOptions).length > 0) return ["unknown"];
    switch (content.case) {
      case "image":
      case "audio":
      case "video":
      case "document":
        return [content.case];
      case "text":
      case "reasoning":
      case "refusal":
      case "toolCall":
        return ["text"];
      case "toolResult":
        return modalitiesOf(content.value.content);
      default:
        return ["unknown"];
    }
  });
}

function inputRefusal(name: ModalityName | "unknown"): string {
  return name === "unknown" ? "a part whose modality cannot be told is not allowed" : `${name} input is not allowed`;
}

function refusal(field: FieldViolation["field"], description: string): CallFailure {
  return new CallFailure(ErrorReason.PERMISSION_DENIED, "the credential does not allow such a request", {
    violations: [{ field, description }],
  });
}
