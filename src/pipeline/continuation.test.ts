import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CitationSchema, CompleteRequestSchema, OpaqueStateSchema, type Part, PartSchema, Role } from "../contract.ts";
import { foldEvent } from "../domain/fold.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import { ContinuedParts, toContinuation } from "./continuation.ts";

const request = create(CompleteRequestSchema, { model: "m" });

function text(value: string): Part {
  return create(PartSchema, { content: { case: "text", value: { text: value } } });
}

const reasoning = create(PartSchema, { content: { case: "reasoning", value: { text: "hm" } } });
const toolCall = create(PartSchema, { content: { case: "toolCall", value: { callId: "c", name: "n" } } });

/** What was sent, with the events of a continuing attempt placed behind it. */
function foldOnto(sent: readonly Part[], isLastOpen: boolean, events: readonly StreamEvent[]): readonly Part[] {
  const continued = new ContinuedParts(sent, isLastOpen);
  const parts: Part[] = sent.map((part) => create(PartSchema, part));
  for (const event of events) for (const placed of continued.place(event)) foldEvent(parts, placed);
  return parts;
}

function say(...pieces: readonly string[]): readonly StreamEvent[] {
  return [
    { kind: "part-start", index: 0, part: text("") },
    ...pieces.map((piece) => ({ kind: "text-delta", index: 0, text: piece }) as const),
    { kind: "part-end", index: 0 },
  ];
}

function textOf(part: Part | undefined): string | undefined {
  return part?.content.case === "text" ? part.content.value.text : undefined;
}

describe("asking a target to go on", () => {
  it("puts the text so far into a last turn of the assistant, without the white space at its end", () => {
    const asked = toContinuation(request, [reasoning, text("one "), text("two \n")]);
    const last = asked?.messages.at(-1);
    expect(last?.role).toBe(Role.ASSISTANT);
    expect(last?.parts.map(textOf)).toEqual(["one two"]);
    expect(request.messages.length).toBe(0);
  });

  it("is not possible after a tool call, before any text, or behind a part that is no text", () => {
    for (const sent of [[], [text(" ")], [text("one"), toolCall], [text("one"), reasoning]]) {
      expect(toContinuation(request, sent)).toBeUndefined();
    }
  });
});

describe("the parts of a continuing attempt", () => {
  it("go on in the open text, and white space that both have stands there once, however it is cut", () => {
    const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\t"), maxLength: 4 });
    fc.assert(
      fc.property(space, space, fc.array(fc.nat(12), { maxLength: 4 }), (sentSpace, ownSpace, places) => {
        const own = `${sentSpace}${ownSpace}next words`;
        const cuts = [0, ...places.map((place) => Math.min(place, own.length)).sort((a, b) => a - b), own.length];
        const pieces = cuts.slice(1).map((end, index) => own.slice(cuts[index], end));
        const parts = foldOnto([text(`words${sentSpace}`)], true, say(...pieces.filter((piece) => piece !== "")));
        expect(parts.map(textOf)).toEqual([`words${sentSpace}${ownSpace}next words`]);
      }),
    );
  });

  it("keep their own white space where the text so far has none", () => {
    expect(foldOnto([text("one")], true, say(" two")).map(textOf)).toEqual(["one two"]);
    expect(foldOnto([text("one ")], true, say("two")).map(textOf)).toEqual(["one two"]);
  });

  it("stand behind a text that has ended", () => {
    expect(foldOnto([text("one")], false, say("two")).map(textOf)).toEqual(["one", "two"]);
  });

  it("keep their order behind what was sent, in whatever order they come", () => {
    const events: readonly StreamEvent[] = [
      { kind: "part-start", index: 0, part: reasoning },
      { kind: "part-start", index: 1, part: text("") },
      { kind: "text-delta", index: 1, text: " two" },
      { kind: "reasoning-delta", index: 0, text: "m" },
      { kind: "part-start", index: 2, part: toolCall },
      { kind: "arguments-delta", index: 2, json: "{}" },
    ];
    const parts = foldOnto([text("one")], true, events);
    expect(parts.map(({ content }) => content.case)).toEqual(["text", "reasoning", "toolCall"]);
    expect(textOf(parts[0])).toBe("one two");
    expect(parts[2]?.content).toMatchObject({ value: { argumentsJson: "{}" } });
  });

  it("have their citations point at the same words in the whole text", () => {
    const citation = create(CitationSchema, { startByte: 1, endByte: 5, uri: "u" });
    const events: readonly StreamEvent[] = [...say(" née."), { kind: "citation-delta", index: 0, citation }];
    const [part] = foldOnto([text("é ")], true, events);
    if (part?.content.case !== "text") throw new Error("no text");
    const [cited] = part.content.value.citations;
    const bytes = Buffer.from(part.content.value.text);
    expect(bytes.subarray(cited?.startByte, cited?.endByte).toString()).toBe("née");
  });

  it("do not mix their opaque state with that of another provider", () => {
    const state = create(OpaqueStateSchema, { provider: "other", data: new Uint8Array([1]) });
    const events: readonly StreamEvent[] = [...say(" two"), { kind: "state-delta", index: 0, state }];
    expect(foldOnto([text("one")], true, events)[0]?.state).toBeUndefined();
  });
});
