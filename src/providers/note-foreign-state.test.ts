import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { CompleteRequestSchema, Role } from "../contract.ts";
import { noteForeignState } from "./note-foreign-state.ts";
import { createTranslationLog } from "./translation-log.ts";

const state = (provider: string) => ({ provider, data: new Uint8Array([1]) });
const text = { case: "text", value: { text: "hi" } } as const;
const request = create(CompleteRequestSchema, {
  messages: [
    { role: Role.USER, parts: [{ content: text }] },
    {
      role: Role.ASSISTANT,
      parts: Array.from({ length: 11 }, (_, index) => ({
        content: text,
        state: state(index % 10 === 1 ? "gemini" : "own"),
      })),
    },
  ],
});

it("names every part whose state another provider issued", () => {
  const log = createTranslationLog();
  noteForeignState(create(CompleteRequestSchema, { ...request }), ["own"], log);
  expect(log.warnings.map(({ field }) => field)).toEqual(["messages[1].parts[1].state"]);
});

it("says so once for a part, and takes no part for another whose number begins alike", () => {
  const log = createTranslationLog();
  log.stateDropped("messages[1].parts[1].reasoning", "gemini");
  log.stateDropped("messages[1].parts[10]", "x");
  noteForeignState(request, ["own"], log);
  expect(log.warnings.map(({ field }) => field)).toEqual(["messages[1].parts[1].reasoning", "messages[1].parts[10]"]);
});
