import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { JsonFacts } from "../../domain/contract-types.ts";
import type { WireChoice, WireChunk } from "./wire.ts";

/** Fields of a chunk that the contract has a place for, and noise that carries no fact (padding against traffic analysis). */
const knownFields: ReadonlySet<string> = new Set([
  "id",
  "object",
  "model",
  "choices",
  "usage",
  "service_tier",
  "error",
  "citations",
  "prompt_filter_results",
  "content_filter_results",
  "obfuscation",
  "p",
]);

/** Fields of a response that tell something: most of the others repeat the request. */
const responseFields: ReadonlySet<string> = new Set([
  "completed_at",
  "conversation",
  "copilot_usage",
  "moderation",
  "tool_usage",
]);

/** What the server says beside the answer. Costs nothing unless it is wanted. */
export interface Metadata {
  addChunk(chunk: WireChunk): void;
  addChoice(choice: WireChoice): void;
  /** Of a response, only what no request field echoes. */
  addResponse(response: object): void;
  toFacts(): JsonFacts;
}

export function createMetadata(providerName: string, isWanted: boolean): Metadata {
  const facts: JsonObject = {};
  return {
    addChunk(chunk) {
      if (!isWanted) return;
      for (const [name, value] of Object.entries(chunk)) {
        if (!knownFields.has(name) && isJson(value)) facts[name] = value;
      }
    },
    addChoice(choice) {
      if (isWanted && typeof choice.native_finish_reason === "string") {
        facts["native_finish_reason"] = choice.native_finish_reason;
      }
    },
    addResponse(response) {
      if (!isWanted) return;
      for (const [name, value] of Object.entries(response)) {
        if (responseFields.has(name) && isJson(value)) facts[name] = value;
      }
    },
    toFacts: () => (Object.keys(facts).length > 0 ? { [providerName]: facts } : {}),
  };
}

/** Values come out of `JSON.parse`, so all but an absent one are JSON; nulls say nothing. */
function isJson(value: unknown): value is JsonValue {
  return value !== undefined && value !== null;
}
