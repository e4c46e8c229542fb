import { FinishReason } from "../../contract.ts";
import { wordTable } from "../word-table.ts";

/** `finishReason` as its name; some clients have the API write enums as numbers. "" when there is none. */
export function toFinishWord(value: unknown): string {
  if (typeof value === "number") return wordByNumber[value] ?? String(value);
  return typeof value === "string" ? value : "";
}

const wordByNumber: Readonly<Record<number, string>> = { 1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION" };

/** `Candidate.finishReason`. Calls are finished with STOP, so the parts tell whether the caller is to act. */
export function toFinishReason(word: string, hasCalls: boolean): FinishReason {
  if (word === "") return FinishReason.UNSPECIFIED;
  if (word === "STOP" && hasCalls) return FinishReason.TOOL_CALLS;
  return finishReasons[word] ?? FinishReason.OTHER;
}

const finishReasons = wordTable<FinishReason>({
  FINISH_REASON_UNSPECIFIED: FinishReason.UNSPECIFIED,
  STOP: FinishReason.STOP,
  MAX_TOKENS: FinishReason.MAX_TOKENS,
  SAFETY: FinishReason.CONTENT_FILTER,
  RECITATION: FinishReason.CONTENT_FILTER,
  LANGUAGE: FinishReason.CONTENT_FILTER,
  BLOCKLIST: FinishReason.CONTENT_FILTER,
  PROHIBITED_CONTENT: FinishReason.CONTENT_FILTER,
  SPII: FinishReason.CONTENT_FILTER,
  IMAGE_SAFETY: FinishReason.CONTENT_FILTER,
  IMAGE_PROHIBITED_CONTENT: FinishReason.CONTENT_FILTER,
  IMAGE_RECITATION: FinishReason.CONTENT_FILTER,
  MODEL_ARMOR: FinishReason.GUARDRAIL,
  MALFORMED_FUNCTION_CALL: FinishReason.MALFORMED_OUTPUT,
  MALFORMED_RESPONSE: FinishReason.MALFORMED_OUTPUT,
  UNEXPECTED_TOOL_CALL: FinishReason.MALFORMED_OUTPUT,
  CONTINUATION: FinishReason.PAUSED,
});
