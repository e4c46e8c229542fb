import fc from "fast-check";
import { expect, it } from "vitest";
import { createThinkTagSplitter } from "./think-tags.ts";

it.each([
  ["<think>why</think>\nSo", "why", "\nSo"],
  ["\n <think>why</think>So", "why", "So"],
  ["plain", "", "plain"],
  ["a <think>b</think>", "", "a <think>b</think>"],
  ["<think>cut off", "cut off", ""],
  ["<think>a</thin", "a</thin", ""],
  ["<th", "", "<th"],
  ["<think>a</think>b</think>", "a", "b</think>"],
  ["", "", ""],
])("splits %j, however it is cut", (text, reasoning, answer) => {
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 6 }), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const splitter = createThinkTagSplitter();
      const pieces = places.slice(1).flatMap((end, index) => splitter.push(text.slice(places[index], end)));
      const all = [...pieces, ...splitter.finish()];
      const join = (kind: string) =>
        all
          .filter((piece) => piece.kind === kind)
          .map((piece) => piece.text)
          .join("");
      expect([join("reasoning"), join("text")]).toEqual([reasoning, answer]);
      expect(all.every((piece) => piece.text !== "")).toBe(true);
    }),
  );
});
