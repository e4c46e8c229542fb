import type { Part } from "../contract.ts";

/** Path of what a part holds, in the words of the contract: "toolResult" is `tool_result` there. */
export function fieldOfContent(field: string, content: Part["content"]): string {
  if (content.case === "toolCall") return `${field}.tool_call`;
  if (content.case === "toolResult") return `${field}.tool_result`;
  return content.case === undefined ? field : `${field}.${content.case}`;
}
