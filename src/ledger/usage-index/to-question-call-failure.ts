// Why a question about usage was not answered, in the caller's words: each says how to ask for less.
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { unreachable } from "../../domain/unreachable.ts";
import type { QuestionFailureKind } from "./question-failure.ts";

/** `source`: column of the index that it is about, e.g. "end_user". */
export function toQuestionCallFailure(kind: QuestionFailureKind, source: string): CallFailure {
  switch (kind) {
    case "too-slow":
      return tooSlow("usage was not summed in time: ask for a shorter time, or for fewer events by a filter");
    case "given-up":
      return tooSlow("usage was not summed before the caller's deadline");
    case "too-many-names":
      return tooMuch(
        source.startsWith("label:") ? "group_by_labels" : "group_by",
        "names more than can be put in order",
      );
    case "too-many-rows":
      return tooMuch("group_by", "has more groups than can be told apart: ask for fewer dimensions or labels at once");
    default:
      return unreachable(kind);
  }
}

function tooSlow(message: string): CallFailure {
  return new CallFailure(ErrorReason.DEADLINE_EXCEEDED, message);
}

function tooMuch(field: string, description: string): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, `${field} ${description}`, {
    violations: [{ field, description }],
  });
}
