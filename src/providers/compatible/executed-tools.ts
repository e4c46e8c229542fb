import { create } from "@bufbuild/protobuf";
import { PartSchema } from "../../contract.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import type { PartTracker } from "../part-tracker.ts";

/**
 * Tools that Groq's compound models ran themselves: `executed_tools`. An entry comes first with its arguments and again with
 * its output, so calls and results are given whole, in order, at the end. https://console.groq.com/docs/compound
 */
export interface ExecutedTools {
  read(raw: unknown): void;
  finish(): void;
}

export function createExecutedTools(tracker: PartTracker, callIdSeed: string): ExecutedTools {
  const byIndex = new Map<unknown, JsonRecord>();
  return {
    read(raw) {
      for (const [position, item] of (asArray(raw) ?? []).entries()) {
        const entry = asObject(item) ?? {};
        const index = entry["index"] ?? position;
        byIndex.set(index, { ...byIndex.get(index), ...entry });
      }
    },
    finish() {
      for (const [position, entry] of [...byIndex.values()].entries())
        addParts(tracker, entry, `${callIdSeed}${position}`);
      byIndex.clear();
    },
  };
}

function addParts(tracker: PartTracker, entry: JsonRecord, callId: string): void {
  const name = asString(entry["type"]) ?? "tool";
  const argumentsJson = asString(entry["arguments"]) ?? "";
  const call = { callId, name, argumentsJson, providerExecuted: true };
  tracker.end(tracker.start(create(PartSchema, { content: { case: "toolCall", value: call } })));
  const output = asString(entry["output"]);
  if (output === undefined) return;
  const content = [create(PartSchema, { content: { case: "text", value: { text: output } } })];
  const result = { callId, name, content, providerExecuted: true };
  tracker.end(tracker.start(create(PartSchema, { content: { case: "toolResult", value: result } })));
}
