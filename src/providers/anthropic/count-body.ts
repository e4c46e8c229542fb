import type { JsonOutObject } from "../json-writer.ts";

/** What shapes the prompt; the counting endpoint refuses the rest ("Count tokens in a Message"). */
export function toCountBody(body: JsonOutObject): JsonOutObject {
  const { model, system, messages, tools, tool_choice, thinking, output_config } = body;
  return { model, system, messages, tools, tool_choice, thinking, output_config };
}
