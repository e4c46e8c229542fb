import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  AttemptSchema,
  CompleteResponseSchema,
  EmbedResponseSchema,
  ErrorReason,
  StreamFailureSchema,
} from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { fromOutcomeBytes, toOutcomeBytes } from "./outcome-bytes.ts";

describe("an outcome that is kept for other replicas", () => {
  it("is the same answer there", () => {
    const end = { kind: "response", response: create(CompleteResponseSchema, { responseId: "r" }) } as const;
    expect(fromOutcomeBytes(toOutcomeBytes(end))).toEqual(end);
    const response = create(EmbedResponseSchema, { info: { responseId: "r" } });
    const bytes = toOutcomeBytes({ kind: "operation", response, bytes: 0 }, EmbedResponseSchema);
    expect(fromOutcomeBytes(bytes, EmbedResponseSchema)).toMatchObject({ kind: "operation", response });
    expect(fromOutcomeBytes(bytes)).toBeUndefined();
  });

  it("is the same failure there, with all its details and without its cause", () => {
    const facts = {
      metadata: { limit: "8192" },
      violations: [{ field: "messages", description: "too long" }],
      quota: [{ subject: "project/search", description: "used up" }],
      precondition: { type: "GUARDRAIL", subject: "no-pii", description: "blocked" },
      resource: { type: "model", name: "small" },
      retryAfterMs: 5,
      attempts: [create(AttemptSchema, { number: 1, costNanoUsd: 9_007_199_254_740_993n })],
      streamFailure: create(StreamFailureSchema, { responseId: "r", lastSequence: 4 }),
    };
    const failure = new CallFailure(ErrorReason.CONTEXT_LENGTH_EXCEEDED, "too long", {
      ...facts,
      cause: new Error("x"),
    });
    const read = fromOutcomeBytes(toOutcomeBytes({ kind: "failure", failure }));
    expect(read?.kind === "failure" && [read.failure.reason, read.failure.message]).toEqual([
      ErrorReason.CONTEXT_LENGTH_EXCEEDED,
      "too long",
    ]);
    expect(read?.kind === "failure" && read.failure.facts).toEqual(facts);
  });

  it("counts as none when it cannot be read", () => {
    for (const bytes of [[], [0], [9, 1, 2], [1, 255, 255], [3, 123], [3, 123, 125]]) {
      expect(fromOutcomeBytes(Uint8Array.from(bytes))).toBeUndefined();
    }
  });
});
