import { JetStreamApiError } from "@nats-io/jetstream";
import { expect, test } from "vitest";
import { isWrongLastSequence } from "./wrong-last-sequence.ts";

const answered = (code: number): JetStreamApiError =>
  new JetStreamApiError({ code: 400, err_code: code, description: "wrong last sequence" });

test("who lost a compare and set has lost it to one that is written, or to one that a cluster is writing", () => {
  expect(isWrongLastSequence(answered(10_071))).toBe(true);
  expect(isWrongLastSequence(answered(10_164))).toBe(true);
});

test("another answer of JetStream, and none, is no conflict", () => {
  expect(isWrongLastSequence(answered(10_077))).toBe(false);
  expect(isWrongLastSequence(new Error("wrong last sequence"))).toBe(false);
});
