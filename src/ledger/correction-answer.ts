// The answer to a correction as it crosses between processes: a refusal keeps its reason and its facts.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type CorrectUsageRequest,
  CorrectUsageRequestSchema,
  type CorrectUsageResponse,
  CorrectUsageResponseSchema,
  type ErrorReason,
} from "../contract.ts";
import { CallFailure, type CallFailureFacts } from "../domain/call-failure.ts";

/** `response`, and the request that it answers, are in the binary form of the contract. */
export type CorrectionAnswer =
  | { readonly kind: "corrected"; readonly response: Uint8Array }
  | {
      readonly kind: "refused";
      readonly reason: ErrorReason;
      readonly message: string;
      readonly facts: CallFailureFacts;
    };

/** Rejects only with what is no `CallFailure`. */
export async function toCorrectionAnswer(
  correct: (request: CorrectUsageRequest) => Promise<CorrectUsageResponse>,
  request: Uint8Array,
): Promise<CorrectionAnswer> {
  try {
    const response = await correct(fromBinary(CorrectUsageRequestSchema, request));
    return { kind: "corrected", response: toBinary(CorrectUsageResponseSchema, response) };
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    const { reason, message, facts } = error;
    const { cause: _, ...told } = facts; // What caused it may be no plain value.
    return { kind: "refused", reason, message, facts: told };
  }
}

/** Throws the refusal. */
export function fromCorrectionAnswer(answer: CorrectionAnswer): CorrectUsageResponse {
  if (answer.kind === "corrected") return fromBinary(CorrectUsageResponseSchema, answer.response);
  throw new CallFailure(answer.reason, answer.message, answer.facts);
}
