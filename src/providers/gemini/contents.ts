// Messages to `contents` and `systemInstruction`: the API alternates "user" and "model", and tool results are the user's.
import { type Message, Role } from "../../contract.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";
import { type PartContext, type PartJson, toPartJson } from "./part-json.ts";

export type Contents = {
  readonly systemInstruction: JsonOutObject | undefined;
  readonly contents: readonly JsonOutObject[];
};

type Turn = { readonly role: string; readonly parts: PartJson[] };

export function toContents(
  messages: readonly Message[],
  traits: ModelTraits,
  aliases: readonly string[],
  log: TranslationLog,
): Contents {
  const context: PartContext = { aliases, calls: toCalls(messages), log };
  const system: PartJson[] = [];
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries()) {
    const field = `messages[${index}]`;
    if (message.name !== "") log.dropped(`${field}.name`, "messages have no name");
    const parts = toParts(message, field, context);
    if (message.role === Role.SYSTEM) {
      if (turns.length > 0) log.adjusted(field, "a later system message was moved to the system instruction");
      system.push(...parts);
      continue;
    }
    const role = message.role === Role.ASSISTANT ? "model" : "user";
    append(turns, role, parts);
  }
  const contents = traits.needsSignatures ? turns.map(withSignature) : turns;
  return { systemInstruction: system.length > 0 ? { parts: system } : undefined, contents };
}

/** Neighbours of one role are one turn; a turn without parts is none. */
function append(turns: Turn[], role: string, parts: readonly PartJson[]): void {
  const last = turns.at(-1);
  if (last?.role === role) last.parts.push(...parts);
  else if (parts.length > 0) turns.push({ role, parts: [...parts] });
}

function toParts(message: Message, field: string, context: PartContext): readonly PartJson[] {
  return message.parts.flatMap((part, index) => {
    const json = toPartJson(part, `${field}.parts[${index}]`, context);
    return json === undefined ? [] : [json];
  });
}

function toCalls(messages: readonly Message[]): PartContext["calls"] {
  const calls = new Map<string, { name: string; providerId: string }>();
  for (const part of messages.flatMap((message) => message.parts)) {
    if (part.content.case !== "toolCall") continue;
    calls.set(part.content.value.callId, { name: part.content.value.name, providerId: part.state?.itemId ?? "" });
  }
  return calls;
}

/**
 * The first call of a step needs a signature; in a conversation that another model began there is none, and the API takes
 * this word for it ("Thought signatures", "FAQs").
 */
function withSignature(turn: Turn): Turn {
  const position = turn.parts.findIndex((part) => !(part instanceof RawJson) && part["functionCall"] !== undefined);
  const call = turn.parts[position];
  if (call === undefined || call instanceof RawJson || call["thoughtSignature"] !== undefined) return turn;
  return {
    ...turn,
    parts: turn.parts.with(position, { ...call, thoughtSignature: "skip_thought_signature_validator" }),
  };
}
