// Messages to `contents` and `systemInstruction`: the API knows "user" and "model", and tool results are the user's.
import { type Message, Role } from "../../contract.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";
import { type PartContext, type PartJson, toPartJson } from "./part-json.ts";

export type Contents = {
  readonly systemInstruction: JsonOutObject | undefined;
  readonly contents: readonly JsonOutObject[];
};

type Turn = { readonly author: Role; readonly parts: PartJson[] };

export function toContents(
  messages: readonly Message[],
  traits: ModelTraits,
  aliases: readonly string[],
  log: TranslationLog,
): Contents {
  const context: PartContext = { aliases, calls: toCalls(messages, aliases), log };
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
    append(turns, message.role, parts);
  }
  const signed = traits.needsSignatures ? turns.map(withSignature) : turns;
  const contents = signed.map(({ author, parts }) => ({ role: author === Role.ASSISTANT ? "model" : "user", parts }));
  return { systemInstruction: system.length > 0 ? { parts: system } : undefined, contents };
}

/** Results of parallel calls have to stand in one turn; other neighbours of one role may stay apart. */
function append(turns: Turn[], author: Role, parts: readonly PartJson[]): void {
  const last = turns.at(-1);
  if (author === Role.TOOL && last?.author === Role.TOOL) last.parts.push(...parts);
  else if (parts.length > 0) turns.push({ author, parts: [...parts] });
}

function toParts(message: Message, field: string, context: PartContext): readonly PartJson[] {
  return message.parts.flatMap((part, index) => {
    const json = toPartJson(part, `${field}.parts[${index}]`, context);
    return json === undefined ? [] : [json];
  });
}

/** The id that the API gave stands in the state of the call; another provider's is never sent. */
function toCalls(messages: readonly Message[], aliases: readonly string[]): PartContext["calls"] {
  const calls = new Map<string, { name: string; providerId: string }>();
  for (const part of messages.flatMap((message) => message.parts)) {
    if (part.content.case !== "toolCall") continue;
    const { callId, name } = part.content.value;
    const isOwn = part.state !== undefined && aliases.includes(part.state.provider);
    calls.set(callId, { name, providerId: isOwn ? (part.state?.itemId ?? "") : "" });
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
