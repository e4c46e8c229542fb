// Folding a stream gives the message that the unary call returns (invariant 1). The pipeline folds to fill caches, replays
// and `repeat_parts_at_end`; the corpus suite folds to compare.
import type { Part } from "./contract-types.ts";
import type { StreamEvent } from "./stream-event.ts";
import { unreachable } from "./unreachable.ts";

/**
 * Applies one event to the parts so far. `parts` is the caller's own array and is changed; the event is not. Throws when
 * the event cannot apply (a delta for a part that never began, or of a kind that the part has no place for): our bug.
 */
export function foldEvent(parts: Part[], event: StreamEvent): void {
  switch (event.kind) {
    case "part-start":
      if (event.index !== parts.length) throw new Error(`part ${event.index} began at position ${parts.length}`);
      parts.push(copyPart(event.part));
      return;
    case "text-delta":
      appendText(partAt(parts, event.index), event);
      return;
    case "reasoning-delta":
      appendReasoning(partAt(parts, event.index), event.text);
      return;
    case "arguments-delta":
      appendArguments(partAt(parts, event.index), event.json);
      return;
    case "data-delta":
      appendData(partAt(parts, event.index), event.data);
      return;
    case "citation-delta":
      appendCitation(partAt(parts, event.index), event);
      return;
    case "state-delta":
      mergeState(partAt(parts, event.index), event);
      return;
    case "metadata-delta":
      Object.assign(partAt(parts, event.index).providerMetadata, event.entries);
      return;
    case "part-end":
      partAt(parts, event.index);
      return;
    case "parts-reset":
      parts.length = Math.min(parts.length, event.keepParts);
      return;
    default:
      unreachable(event);
  }
}

type EventOf<Kind extends StreamEvent["kind"]> = Extract<StreamEvent, { kind: Kind }>;

function partAt(parts: readonly Part[], index: number): Part {
  const part = parts[index];
  if (part === undefined) throw new Error(`part ${index} never began`);
  return part;
}

/** As deep as deltas reach, so that growing the copy leaves the event alone. */
function copyPart(part: Part): Part {
  const copy: Part = { ...part, content: copyContent(part.content), providerMetadata: { ...part.providerMetadata } };
  if (part.state !== undefined) copy.state = { ...part.state };
  return copy;
}

function copyContent(content: Part["content"]): Part["content"] {
  switch (content.case) {
    case "text": {
      const { value } = content;
      return { case: "text", value: { ...value, citations: [...value.citations], logprobs: [...value.logprobs] } };
    }
    case "reasoning":
      return { case: "reasoning", value: { ...content.value } };
    case "toolCall":
      return { case: "toolCall", value: { ...content.value } };
    case "refusal":
      return { case: "refusal", value: { ...content.value } };
    case "image":
    case "audio":
    case "video":
    case "document":
      return { case: content.case, value: { ...content.value } };
    case "toolResult":
    case "provider":
    case undefined:
      return content; // They come whole: no delta reaches into them.
    default:
      return unreachable(content);
  }
}

function appendText(part: Part, event: EventOf<"text-delta">): void {
  switch (part.content.case) {
    case "text":
      part.content.value.text += event.text;
      if (event.logprobs !== undefined) part.content.value.logprobs.push(...event.logprobs);
      return;
    case "refusal":
      part.content.value.text += event.text;
      return;
    case "image":
    case "audio":
    case "video":
    case "document":
      part.content.value.transcript += event.text;
      return;
    default:
      throw misplaced("text", part);
  }
}

function appendReasoning(part: Part, text: string): void {
  if (part.content.case !== "reasoning") throw misplaced("reasoning", part);
  part.content.value.text += text;
}

function appendArguments(part: Part, json: string): void {
  if (part.content.case !== "toolCall") throw misplaced("arguments", part);
  part.content.value.argumentsJson += json;
}

function appendData(part: Part, data: Uint8Array): void {
  switch (part.content.case) {
    case "image":
    case "audio":
    case "video":
    case "document": {
      const { source } = part.content.value;
      const before = source.case === "data" ? source.value : new Uint8Array(0);
      part.content.value.source = { case: "data", value: joinBytes(before, data) };
      return;
    }
    default:
      throw misplaced("data", part);
  }
}

function appendCitation(part: Part, event: EventOf<"citation-delta">): void {
  if (part.content.case !== "text") throw misplaced("a citation", part);
  part.content.value.citations.push(event.citation);
}

function mergeState(part: Part, event: EventOf<"state-delta">): void {
  const { state } = event;
  if (part.state === undefined) {
    part.state = { ...state };
    return;
  }
  if (state.provider !== "") part.state.provider = state.provider;
  if (state.itemId !== "") part.state.itemId = state.itemId;
  if (state.data.length > 0) part.state.data = joinBytes(part.state.data, state.data);
}

function joinBytes(head: Uint8Array, tail: Uint8Array): Uint8Array {
  if (head.length === 0) return tail;
  const joined = new Uint8Array(head.length + tail.length);
  joined.set(head);
  joined.set(tail, head.length);
  return joined;
}

function misplaced(what: string, part: Part): Error {
  return new Error(`${what} cannot be added to a part of kind ${part.content.case ?? "none"}`);
}
