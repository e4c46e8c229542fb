import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Part, PartSchema } from "../contract.ts";
import { foldEvent } from "../domain/fold.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import { createPartTracker } from "./part-tracker.ts";

const emptyText = () => create(PartSchema, { content: { case: "text", value: {} } });

it("gives text back whole and every delta well formed, wherever the UTF-16 units were cut", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), fc.array(fc.nat(40)), (text, cuts) => {
      const events = collect(pieces(text, cuts));
      expect(events.every((event) => event.kind !== "text-delta" || event.text.isWellFormed())).toBe(true);
      expect(fold(events).map((part) => part.content.value)).toMatchObject([{ text: text.toWellFormed() }]);
    }),
  );
});

it("never sends an empty delta", () => {
  expect(collect(["", "a", ""]).map((event) => event.kind)).toEqual(["part-start", "text-delta", "part-end"]);
});

it("ends a part once, however often the provider ends it", () => {
  const tracker = createPartTracker();
  const index = tracker.start(emptyText());
  tracker.end(index);
  tracker.end(index);
  tracker.endAll();
  expect(tracker.take().filter((event) => event.kind === "part-end")).toHaveLength(1);
});

it("replaces half a code point that never got its other half", () => {
  expect(collect(["a\ud83d"]).at(-2)).toMatchObject({ kind: "text-delta", text: "\ufffd" });
});

it("leaves the events alone when they are folded", () => {
  const events = collect(["a", "b"]);
  const before = structuredClone(events);
  fold(events);
  expect(events).toEqual(before);
});

function collect(texts: readonly string[]): StreamEvent[] {
  const tracker = createPartTracker();
  const index = tracker.start(emptyText());
  for (const text of texts) tracker.text(index, text);
  tracker.endAll();
  return [...tracker.take()];
}

function pieces(text: string, cuts: readonly number[]): string[] {
  const places = [0, ...cuts.filter((cut) => cut <= text.length).sort((a, b) => a - b), text.length];
  return places.slice(1).map((end, position) => text.slice(places[position], end));
}

function fold(events: readonly StreamEvent[]): Part[] {
  const parts: Part[] = [];
  for (const event of events) foldEvent(parts, event);
  return parts;
}
