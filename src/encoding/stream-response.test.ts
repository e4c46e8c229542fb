import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  CitationSchema,
  CompleteResponseSchema,
  OpaqueStateSchema,
  PartSchema,
  StreamCompleteResponseSchema,
  TokenLogprobSchema,
} from "../contract.ts";
import type { OutgoingEvent } from "../pipeline/ports.ts";
import { fromStreamResponse } from "./from-stream-response.ts";
import { toStreamResponse } from "./to-stream-response.ts";

const part = create(PartSchema, { content: { case: "text", value: { text: "a" } } });
const logprobs = [create(TokenLogprobSchema, { token: "a", logprob: -0.5 })];

/** One of each kind: a new kind of event does not compile without its row. */
const events: { readonly [Kind in OutgoingEvent["kind"]]: Extract<OutgoingEvent, { kind: Kind }> } = {
  started: { kind: "started", responseId: "r", createdAtMs: 1_700_000_000_123, model: "m" },
  "part-start": { kind: "part-start", index: 2, part },
  "part-end": { kind: "part-end", index: 2 },
  "text-delta": { kind: "text-delta", index: 1, text: "ü€𝄞", logprobs },
  "reasoning-delta": { kind: "reasoning-delta", index: 1, text: "hm" },
  "arguments-delta": { kind: "arguments-delta", index: 3, json: '{"a":' },
  "data-delta": { kind: "data-delta", index: 3, data: Uint8Array.of(1, 2) },
  "citation-delta": {
    kind: "citation-delta",
    index: 0,
    citation: create(CitationSchema, { startByte: 0, endByte: 3 }),
  },
  "state-delta": { kind: "state-delta", index: 0, state: create(OpaqueStateSchema, { provider: "p", itemId: "i" }) },
  "metadata-delta": { kind: "metadata-delta", index: 0, entries: { openai: { a: 1 } } },
  "parts-reset": { kind: "parts-reset", keepParts: 1, attemptNumber: 2 },
  heartbeat: { kind: "heartbeat", hiddenOutputTokens: 7 },
  completed: { kind: "completed", response: create(CompleteResponseSchema, { responseId: "r" }) },
};

describe("an event of a stream as a message of the contract", () => {
  for (const event of Object.values(events)) {
    it(`is the same event at another replica: ${event.kind}`, () => {
      const bytes = toBinary(StreamCompleteResponseSchema, toStreamResponse(9, event));
      const read = fromBinary(StreamCompleteResponseSchema, bytes);
      expect([read.sequence, fromStreamResponse(read)]).toEqual([9, event]);
    });
  }

  it("is passed over when its kind is of a later version", () => {
    expect(fromStreamResponse(create(StreamCompleteResponseSchema, { sequence: 4 }))).toBeUndefined();
  });
});
