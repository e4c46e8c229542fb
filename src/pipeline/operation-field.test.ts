import { expect, it } from "vitest";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { inOperationWords, toOperationField } from "./operation-field.ts";

it.each([
  ["messages", "inputs"],
  ["routing.allowed_providers", "context.routing.allowed_providers"],
  ["response_cache.mode", "context.response_cache.mode"],
  ["end_user_id", "context.end_user_id"],
  ["model", "model"],
  ["inputs[0].parts[1]", "inputs[0].parts[1]"],
  ["routing_table", "routing_table"],
])("%s of a completion is %s of an operation", (field, expected) => {
  expect(toOperationField(field, "inputs")).toBe(expected);
});

it("keeps everything else of a failure, and what is no failure as it is", () => {
  const violations = [{ field: "messages", description: "its model lacks image input" }];
  const failure = new CallFailure(ErrorReason.CAPABILITY_UNSUPPORTED, "no target", { violations, retryAfterMs: 5 });
  const told = inOperationWords(failure, "documents") as CallFailure;
  expect([told.reason, told.message, told.facts.retryAfterMs]).toEqual([failure.reason, failure.message, 5]);
  expect(told.facts.violations).toEqual([{ field: "documents", description: "its model lacks image input" }]);
  const other = new Error("a bug");
  expect(inOperationWords(other, "documents")).toBe(other);
});
