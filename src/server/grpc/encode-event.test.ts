import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CompleteResponseSchema,
  PartSchema,
  StreamCompleteResponseSchema,
  TokenLogprobSchema,
} from "../../contract.ts";
import { toStreamResponse } from "../../encoding/to-stream-response.ts";
import type { OutgoingEvent } from "../../pipeline/ports.ts";
import { EventEncoder } from "./encode-event.ts";

function reference(sequence: number, event: OutgoingEvent): Buffer {
  const message = toBinary(StreamCompleteResponseSchema, toStreamResponse(sequence, event));
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

const int32 = fc.oneof(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1), fc.nat(2 ** 31 - 1));
/** UTF-16 units of any kind: ASCII, astral characters, halves of pairs, long ones. */
const text = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 }).map((units) => String.fromCharCode(...units)),
  fc.integer({ min: 0, max: 9000 }).map((length) => "é".repeat(length)),
);
const event: fc.Arbitrary<OutgoingEvent> = fc.oneof(
  fc.record({ kind: fc.constant("text-delta" as const), index: int32, text }),
  fc.record({ kind: fc.constant("reasoning-delta" as const), index: int32, text }),
  fc.record({ kind: fc.constant("arguments-delta" as const), index: int32, json: text }),
  fc.record({ kind: fc.constant("part-end" as const), index: int32 }),
  fc.record({ kind: fc.constant("heartbeat" as const), hiddenOutputTokens: fc.option(int32, { nil: undefined }) }),
  fc.constant<OutgoingEvent>({ kind: "started", responseId: "r", createdAtMs: 1_700_000_000_123, model: "m" }),
  fc.constant<OutgoingEvent>({ kind: "part-start", index: 1, part: create(PartSchema) }),
  fc.constant<OutgoingEvent>({ kind: "parts-reset", keepParts: 1, attemptNumber: 2 }),
  fc.constant<OutgoingEvent>({ kind: "data-delta", index: 1, data: new Uint8Array([1, 2]) }),
  fc.constant<OutgoingEvent>({ kind: "metadata-delta", index: 1, entries: { openai: { a: 1 } } }),
  fc.constant<OutgoingEvent>({
    kind: "text-delta",
    index: 0,
    text: "a",
    logprobs: [create(TokenLogprobSchema, { token: "a", logprob: -1 })],
  }),
  fc.constant<OutgoingEvent>({ kind: "completed", response: create(CompleteResponseSchema, { responseId: "r" }) }),
);

describe("EventEncoder", () => {
  it("writes the bytes that protobuf-es writes, whatever is pushed and however it is taken", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(int32, event, fc.boolean()), { maxLength: 40 }), (pushes) => {
        const encoder = new EventEncoder();
        const taken: Buffer[] = [];
        for (const [sequence, pushed, takesNow] of pushes) {
          encoder.push(sequence, pushed);
          if (takesNow) {
            taken.push(encoder.take());
          }
        }
        taken.push(encoder.take());
        const expected = pushes.map(([sequence, pushed]) => reference(sequence, pushed));
        expect(Buffer.concat(taken).equals(Buffer.concat(expected))).toBe(true);
        expect(encoder.isEmpty).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
