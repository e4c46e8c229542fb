import { asString } from "../../../wire/json.ts";
import { wordTable } from "../../word-table.ts";
import type { WireItem } from "./wire.ts";

/** Items of tools that the provider runs itself, by type. The others wait for the caller (computer, shell, patches). */
const toolByType = wordTable<string>({
  web_search_call: "web_search",
  file_search_call: "file_search",
  code_interpreter_call: "code_interpreter",
});

/** Name of the tool that an item is a call of; `undefined`: no call of a tool that the provider runs. */
export function serverToolName(item: WireItem): string | undefined {
  if (item.type === "mcp_call") return asString(item.name) ?? "mcp";
  return toolByType[asString(item.type) ?? ""];
}

/** What the tool was asked, as JSON text; "" when the item does not say. */
export function toServerToolArguments(item: WireItem): string {
  if (typeof item.arguments === "string") return item.arguments;
  const asked = item.action ?? (item.queries === undefined ? undefined : { queries: item.queries });
  if (asked !== undefined && asked !== null) return JSON.stringify(asked);
  return typeof item.code === "string" ? JSON.stringify({ code: item.code }) : "";
}
