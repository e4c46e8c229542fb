import type { Part, ReasoningPart, ToolCall } from "../../contract.ts";
import { fieldOfContent } from "../field-of-content.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteUnplacedOptions } from "../note-unplaced-options.ts";
import type { TranslationLog } from "../translation-log.ts";
import { type Block, type MessageContext, toContent, toOwnBlock } from "./content-block.ts";
import { toolPlanId } from "./wire.ts";

/** What the parts of an earlier answer become: each kind has a place of its own in the message. */
type Places = { readonly content: Block[]; readonly calls: JsonOutObject[]; plan: string };

export function toAssistantMessage(parts: readonly Part[], field: string, context: MessageContext): JsonOutObject {
  const places: Places = { content: [], calls: [], plan: "" };
  for (const [index, part] of parts.entries()) place(part, `${field}[${index}]`, places, context);
  const { content, calls, plan } = places;
  return {
    role: "assistant",
    content: content.length > 0 ? toContent(content) : undefined,
    tool_plan: plan === "" ? undefined : plan,
    tool_calls: calls.length > 0 ? calls : undefined,
  };
}

function place(part: Part, field: string, places: Places, context: MessageContext): void {
  const { content } = part;
  noteUnplacedOptions(part, field, context.aliases, context.log);
  switch (content.case) {
    case "text":
    case "refusal":
      if (content.value.text !== "") places.content.push({ type: "text", text: content.value.text });
      return;
    case "reasoning":
      placeReasoning(part, content.value, field, places, context);
      return;
    case "toolCall":
      places.calls.push(...toCall(content.value, `${field}.tool_call`, context.log));
      return;
    case "provider":
      addOwn(toOwnBlock(content.value, `${field}.provider`, context), places);
      return;
    case undefined:
      return; // Made by a newer caller: its own contract says that older ones keep quiet.
    default:
      context.log.dropped(fieldOfContent(field, content), "the provider takes no such content in earlier answers");
  }
}

function placeReasoning(
  part: Part,
  { text }: ReasoningPart,
  field: string,
  places: Places,
  { aliases, log }: MessageContext,
): void {
  const { state } = part;
  if (state !== undefined && !aliases.includes(state.provider)) log.stateDropped(`${field}.state`, state.provider);
  else if (state?.itemId === toolPlanId) places.plan += text;
  else if (text !== "") places.content.push({ type: "thinking", thinking: text });
}

function toCall(call: ToolCall, field: string, log: TranslationLog): readonly JsonOutObject[] {
  if (call.providerExecuted) {
    log.dropped(field, "the provider takes back no calls of tools that a provider ran");
    return [];
  }
  return [{ id: call.callId, type: "function", function: { name: call.name, arguments: call.argumentsJson || "{}" } }];
}

function addOwn(block: Block | undefined, { content }: Places): void {
  if (block !== undefined) content.push(block);
}
