// The items of a response. In a stream an item is announced, grows by deltas and is repeated whole at its end; in a whole
// answer only the last happens. So everything is read at the end of an item, less what came before.
import { create } from "@bufbuild/protobuf";
import {
  type Citation,
  CitationSchema,
  OpaqueStateSchema,
  type Part,
  PartSchema,
  ReasoningKind,
} from "../../../contract.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../../wire/json.ts";
import { fromBase64 } from "../../data-url.ts";
import type { PartTracker } from "../../part-tracker.ts";
import { toRange } from "../citations.ts";
import { toTokenLogprobs } from "../logprobs.ts";
import { serverToolName, toServerToolArguments } from "./server-tools.ts";
import type { WireItem } from "./wire.ts";

/** Where in an item a delta belongs. */
export type Slot =
  | { readonly kind: "text" | "refusal" | "summary" | "reasoning"; readonly position: number }
  | { readonly kind: "arguments" };

/** The items of one answer, by their place in `output`. */
export interface OutputItems {
  /** `response.output_item.added`. */
  begin(place: number, item: WireItem): void;
  grow(place: number, slot: Slot, piece: string, logprobs: unknown): void;
  annotate(place: number, position: number, annotation: unknown): void;
  /** The item is complete: adds what no delta brought, and ends its parts. A second end is ignored. */
  complete(place: number, item: WireItem): void;
  hasToolCalls(): boolean;
  hasRefusal(): boolean;
  /** Calls of tools that the provider ran, by tool name. */
  readonly serverToolCalls: Readonly<Record<string, number>>;
}

type GrownPart = {
  readonly index: number;
  /** What the part holds; positions of citations are counted in it. */
  text: string;
  citations: number;
};

type Item = {
  readonly head: WireItem;
  readonly grown: Map<string, GrownPart>;
  /** The part that takes the ciphertext of reasoning at the end. */
  lastReasoning: GrownPart | undefined;
  isComplete: boolean;
};

export function createOutputItems(tracker: PartTracker, provider: string, callIdSeed: string): OutputItems {
  const items = new Map<number, Item>();
  const serverToolCalls: Record<string, number> = {};
  let hasToolCalls = false;
  let hasRefusal = false;

  function obtain(place: number, head: WireItem): Item {
    const known = items.get(place);
    if (known !== undefined) return known;
    const item: Item = { head, grown: new Map(), lastReasoning: undefined, isComplete: false };
    items.set(place, item);
    return item;
  }

  function start(item: Item, slot: Slot): GrownPart {
    const key = slot.kind === "arguments" ? slot.kind : `${slot.kind} ${slot.position}`;
    const known = item.grown.get(key);
    if (known !== undefined) return known;
    // Parts stay open until their item ends, since its end may still add to them: citations, ciphertext, missing text.
    const part = { index: tracker.start(toEmptyPart(slot, item.head, provider, callIdSeed)), text: "", citations: 0 };
    item.grown.set(key, part);
    if (slot.kind === "refusal") hasRefusal = true;
    if (slot.kind === "arguments") hasToolCalls = true;
    if (slot.kind === "summary" || slot.kind === "reasoning") item.lastReasoning = part;
    return part;
  }

  function grow(item: Item, slot: Slot, piece: string, logprobs: unknown): void {
    if (piece === "" && slot.kind !== "arguments") return;
    const part = start(item, slot);
    part.text += piece;
    if (slot.kind === "arguments") tracker.arguments(part.index, piece);
    else if (slot.kind === "summary" || slot.kind === "reasoning") tracker.reasoning(part.index, piece);
    else tracker.text(part.index, piece, toLogprobsOrNone(logprobs));
  }

  /** What the whole item says and no delta has said yet. Deltas that contradict the end are left as they were shown. */
  function fill(item: Item, slot: Slot, whole: string, logprobs: unknown): GrownPart | undefined {
    const key = slot.kind === "arguments" ? slot.kind : `${slot.kind} ${slot.position}`;
    const before = item.grown.get(key)?.text ?? "";
    if (whole.startsWith(before)) grow(item, slot, whole.slice(before.length), before === "" ? logprobs : undefined);
    return item.grown.get(key);
  }

  function cite(part: GrownPart, annotations: readonly unknown[]): void {
    for (const annotation of annotations) {
      part.citations++;
      const citation = toCitation(asObject(annotation), part.text);
      if (citation !== undefined) tracker.citation(part.index, citation);
    }
  }

  function completeMessage(item: Item, whole: WireItem): void {
    for (const [position, entry] of (asArray(whole.content) ?? []).entries()) {
      const content = asObject(entry) ?? {};
      if (content["type"] === "refusal") {
        fill(item, { kind: "refusal", position }, asString(content["refusal"]) ?? "", undefined);
        continue;
      }
      const part = fill(item, { kind: "text", position }, asString(content["text"]) ?? "", content["logprobs"]);
      if (part !== undefined) cite(part, (asArray(content["annotations"]) ?? []).slice(part.citations));
    }
  }

  function completeReasoning(item: Item, whole: WireItem): void {
    fillReasoning(item, "summary", whole.summary);
    fillReasoning(item, "reasoning", whole.content);
    const data = new TextEncoder().encode(asString(whole.encrypted_content) ?? "");
    const itemId = asString(whole.id) ?? "";
    if (item.lastReasoning !== undefined) {
      if (data.length > 0) tracker.state(item.lastReasoning.index, create(OpaqueStateSchema, { provider, data }));
      return;
    }
    if (data.length === 0 && itemId === "") return;
    const content = { case: "reasoning", value: { kind: ReasoningKind.REDACTED } } as const;
    addWhole(create(PartSchema, { content, state: create(OpaqueStateSchema, { provider, itemId, data }) }));
  }

  function fillReasoning(item: Item, kind: "summary" | "reasoning", entries: unknown): void {
    for (const [position, entry] of (asArray(entries) ?? []).entries()) {
      fill(item, { kind, position }, asString(asObject(entry)?.["text"]) ?? "", undefined);
    }
  }

  /** A tool that the provider ran: the call for the reader, the whole item as state for the next turn. */
  function addServerTool(name: string, whole: WireItem): void {
    serverToolCalls[name] = (serverToolCalls[name] ?? 0) + 1;
    const callId = asString(whole.id) ?? `${callIdSeed}s${tracker.count}`;
    const value = { callId, name, argumentsJson: toServerToolArguments(whole), providerExecuted: true };
    const data = new TextEncoder().encode(JSON.stringify(whole));
    const state = create(OpaqueStateSchema, { provider, itemId: callId, data });
    addWhole(create(PartSchema, { content: { case: "toolCall", value }, state }));
    const output = asString(whole.output);
    if (output === undefined) return;
    const content = [create(PartSchema, { content: { case: "text", value: { text: output } } })];
    addWhole(
      create(PartSchema, { content: { case: "toolResult", value: { callId, name, content, providerExecuted: true } } }),
    );
  }

  function addImage(whole: WireItem): void {
    const data = fromBase64(asString(whole.result) ?? "");
    const mediaType = `image/${asString(whole.output_format) ?? "png"}`;
    const state = create(OpaqueStateSchema, { provider, itemId: asString(whole.id) ?? "" });
    addWhole(
      create(PartSchema, {
        content: { case: "image", value: { source: { case: "data", value: data }, mediaType } },
        state,
      }),
    );
    serverToolCalls["image_generation"] = (serverToolCalls["image_generation"] ?? 0) + 1;
  }

  function addUnknown(whole: WireItem): void {
    const value = { provider, kind: asString(whole.type) ?? "unknown", payloadJson: JSON.stringify(whole) };
    addWhole(create(PartSchema, { content: { case: "provider", value } }));
  }

  function addWhole(part: Part): void {
    tracker.end(tracker.start(part));
  }

  function completeByType(item: Item, whole: WireItem): void {
    switch (whole.type) {
      case "message":
        completeMessage(item, whole);
        return;
      case "reasoning":
        completeReasoning(item, whole);
        return;
      case "function_call":
        fill(item, { kind: "arguments" }, asString(whole.arguments) ?? "", undefined);
        return;
      case "custom_tool_call":
        fill(item, { kind: "arguments" }, asString(whole.input) ?? "", undefined);
        return;
      case "image_generation_call":
        addImage(whole);
        return;
      default: {
        const tool = serverToolName(whole);
        if (tool === undefined) addUnknown(whole);
        else addServerTool(tool, whole);
      }
    }
  }

  return {
    begin(place, item) {
      const known = obtain(place, item);
      if (known.isComplete) return;
      // A call is known by now: id, name and call id stand in its announcement.
      if (item.type === "function_call" || item.type === "custom_tool_call") start(known, { kind: "arguments" });
    },
    grow(place, slot, piece, logprobs) {
      const item = obtain(place, {});
      // The end of an item repeats all of it: a piece that comes later says nothing new.
      if (!item.isComplete) grow(item, slot, piece, logprobs);
    },
    annotate(place, position, annotation) {
      const item = items.get(place);
      const part = item?.grown.get(`text ${position}`);
      if (item?.isComplete === false && part !== undefined) cite(part, [annotation]);
    },
    complete(place, whole) {
      const item = obtain(place, whole);
      if (item.isComplete) return;
      item.isComplete = true;
      completeByType(item, whole);
      for (const part of item.grown.values()) tracker.end(part.index);
    },
    hasToolCalls: () => hasToolCalls,
    hasRefusal: () => hasRefusal,
    serverToolCalls,
  };
}

function toEmptyPart(slot: Slot, head: WireItem, provider: string, callIdSeed: string): Part {
  const itemId = asString(head.id) ?? "";
  const state = create(OpaqueStateSchema, { provider, itemId, data: toExtra(head) });
  switch (slot.kind) {
    case "text":
      return create(PartSchema, { content: { case: "text", value: {} }, state });
    case "refusal":
      return create(PartSchema, { content: { case: "refusal", value: {} }, state });
    case "summary":
      return create(PartSchema, { content: { case: "reasoning", value: { kind: ReasoningKind.SUMMARY } }, state });
    case "reasoning":
      return create(PartSchema, { content: { case: "reasoning", value: { kind: ReasoningKind.FULL } }, state });
    case "arguments": {
      const callId = asString(head.call_id) || itemId || `${callIdSeed}0`;
      const value = { callId, name: asString(head.name) ?? "", freeForm: head.type === "custom_tool_call" };
      return create(PartSchema, { content: { case: "toolCall", value }, state });
    }
  }
}

/** Members that have to come back with the item and have no place in the contract. */
function toExtra(head: WireItem): Uint8Array {
  const extra: Record<string, string> = {};
  if (typeof head.phase === "string") extra["phase"] = head.phase;
  if (typeof head.namespace === "string") extra["namespace"] = head.namespace;
  return Object.keys(extra).length === 0 ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(extra));
}

function toLogprobsOrNone(logprobs: unknown) {
  const list = asArray(logprobs);
  return list === undefined || list.length === 0 ? undefined : toTokenLogprobs(list);
}

function toCitation(annotation: JsonRecord | undefined, text: string): Citation | undefined {
  if (annotation === undefined) return undefined;
  return create(CitationSchema, {
    uri: asString(annotation["url"]) ?? "",
    title: asString(annotation["title"]) ?? asString(annotation["filename"]) ?? "",
    fileId: asString(annotation["file_id"]) ?? "",
    ...toRange(asNumber(annotation["start_index"]), asNumber(annotation["end_index"]), text),
  });
}
