// What a tool call's block says beside its id, name and input (`caller`, `server_name`, its type when the provider runs
// the tool) has no field in the contract. It travels in `Part.state`, so that the block goes back as it came.
import { parseExactJson } from "../../wire/exact-json.ts";
import { asObject, JsonError, type JsonRecord } from "../../wire/json.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";

/** JSON text of the rest of the block; "" when it is an ordinary call. */
export function toSavedBlock(block: JsonRecord): string {
  const rest = Object.entries(block).filter(([name, value]) => !isOrdinary(name, value));
  return rest.length === 0 ? "" : JSON.stringify(Object.fromEntries(rest));
}

function isOrdinary(name: string, value: unknown): boolean {
  if (name === "type") return value === "tool_use";
  // "direct" is the default; saying it adds nothing, and older versions of tools refuse it.
  if (name === "caller") return asObject(value)?.["type"] === "direct";
  return name === "id" || name === "name" || name === "input";
}

/** Members to lay over the block; none when the text is not what `toSavedBlock` wrote. */
export function readSavedBlock(text: string): JsonOutObject {
  try {
    const members = Object.entries(asObject(parseExactJson(text)) ?? {});
    return Object.fromEntries(members.map(([name, value]) => [name, new RawJson(JSON.stringify(value))]));
  } catch (error) {
    if (error instanceof JsonError) return {}; // State that was altered on the way: the plain call is still right.
    throw error;
  }
}
