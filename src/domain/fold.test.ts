import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { OpaqueStateSchema, type Part, PartSchema } from "../contract.ts";
import { foldEvent } from "./fold.ts";
import type { StreamEvent } from "./stream-event.ts";

const call = create(PartSchema, { content: { case: "toolCall", value: { callId: "c", name: "f" } } });
const audio = create(PartSchema, { content: { case: "audio", value: {} } });
const text = create(PartSchema, { content: { case: "text", value: {} } });

it("grows each kind of part by its own deltas, in any order", () => {
  const parts = fold([
    { kind: "part-start", index: 0, part: call },
    { kind: "part-start", index: 1, part: audio },
    { kind: "arguments-delta", index: 0, json: '{"a"' },
    { kind: "data-delta", index: 1, data: new Uint8Array([1]) },
    { kind: "text-delta", index: 1, text: "la" },
    { kind: "data-delta", index: 1, data: new Uint8Array([2, 3]) },
    { kind: "arguments-delta", index: 0, json: ":1}" },
    { kind: "part-end", index: 0 },
  ]);
  expect(parts[0]?.content.value).toMatchObject({ argumentsJson: '{"a":1}' });
  expect(parts[1]?.content.value).toMatchObject({ transcript: "la", source: { value: new Uint8Array([1, 2, 3]) } });
});

it("sets names of state and joins its bytes", () => {
  const state = (provider: string, itemId: string, data: number[]) =>
    create(OpaqueStateSchema, { provider, itemId, data: new Uint8Array(data) });
  const [part] = fold([
    { kind: "part-start", index: 0, part: text },
    { kind: "state-delta", index: 0, state: state("p", "", [1]) },
    { kind: "state-delta", index: 0, state: state("", "i", [2]) },
  ]);
  expect(part?.state).toMatchObject({ provider: "p", itemId: "i", data: new Uint8Array([1, 2]) });
});

it("withdraws parts on a reset, and keeps those before it", () => {
  const parts = fold([
    { kind: "part-start", index: 0, part: text },
    { kind: "part-start", index: 1, part: text },
    { kind: "parts-reset", keepParts: 1, attemptNumber: 2 },
    { kind: "part-start", index: 1, part: call },
  ]);
  expect(parts.map((part) => part.content.case)).toEqual(["text", "toolCall"]);
});

it("refuses events that cannot apply, since they are our own mistake", () => {
  expect(() => fold([{ kind: "text-delta", index: 0, text: "a" }])).toThrow("part 0 never began");
  expect(() => fold([{ kind: "part-start", index: 1, part: text }])).toThrow("part 1 began at position 0");
  const misplaced: StreamEvent = { kind: "arguments-delta", index: 0, json: "{" };
  expect(() => fold([{ kind: "part-start", index: 0, part: text }, misplaced])).toThrow("part of kind text");
});

function fold(events: readonly StreamEvent[]): Part[] {
  const parts: Part[] = [];
  for (const event of events) foldEvent(parts, event);
  return parts;
}
