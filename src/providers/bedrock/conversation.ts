// Messages to turns: the API alternates user and assistant, takes the system prompt apart from them, and wants tool results
// in the turn that follows the call.
import { type Message, Role } from "../../contract.ts";
import { RawJson } from "../json-writer.ts";
import { type PartContext, toContentBlocks } from "./content-block.ts";
import type { Block, Turn } from "./wire.ts";

export type Conversation = { readonly system: readonly Block[]; readonly messages: readonly Turn[] };

export function toConversation(messages: readonly Message[], context: PartContext): Conversation {
  const system: Block[] = [];
  const turns: { role: Turn["role"]; content: Block[] }[] = [];
  for (const [index, message] of messages.entries()) {
    const field = `messages[${index}]`;
    if (message.name !== "") context.log.dropped(`${field}.name`, "messages have no name");
    const blocks = message.parts.flatMap((part, at) => toContentBlocks(part, `${field}.parts[${at}]`, context));
    if (message.role === Role.SYSTEM) {
      if (turns.length > 0) context.log.adjusted(field, "a later system message was moved to the system prompt");
      system.push(...blocks);
      continue;
    }
    const role = message.role === Role.ASSISTANT ? "assistant" : "user";
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...blocks);
    else if (blocks.length > 0) turns.push({ role, content: blocks });
  }
  return { system, messages: withoutSpaceAtEnd(turns.map(withResultsFirst), context) };
}

/** Cache points stay where they are, at the end of what they cover. */
function withResultsFirst(turn: Turn): Turn {
  const lastResult = turn.content.findLastIndex(isToolResult);
  if (turn.role === "assistant" || lastResult < 0) return turn;
  const before = turn.content.slice(0, lastResult + 1);
  if (before.every(isToolResult)) return turn;
  return { role: turn.role, content: [...turn.content.filter(isToolResult), ...turn.content.filter(isOther)] };
}

function isToolResult(block: Block): boolean {
  return !(block instanceof RawJson) && block["toolResult"] !== undefined;
}

function isOther(block: Block): boolean {
  return !isToolResult(block);
}

/** "final assistant content cannot end with trailing whitespace": the beginning of an answer that the model continues. */
function withoutSpaceAtEnd(turns: readonly Turn[], context: PartContext): readonly Turn[] {
  const turn = turns.at(-1);
  const block = turn?.content.at(-1);
  if (turn?.role !== "assistant" || block === undefined || block instanceof RawJson) return turns;
  const { text } = block;
  if (typeof text !== "string" || text === text.trimEnd()) return turns;
  context.log.adjusted("messages", "white space at the end of the last assistant message was left out");
  return turns.with(-1, { ...turn, content: turn.content.with(-1, { ...block, text: text.trimEnd() }) });
}
