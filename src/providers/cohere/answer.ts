// The state of one answer. A whole answer is read as a stream of whole pieces, so that both give the same parts by
// construction (invariant 1).
import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  FinishReason,
  OpaqueStateSchema,
  type Part,
  PartSchema,
  ReasoningKind,
  type TokenLogprob,
  type Usage,
} from "../../contract.ts";
import type { CompletionFacts } from "../../domain/completion.ts";
import type { StreamEvent } from "../../domain/stream-event.ts";
import { asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { createToolCallList, type ToolCallList } from "../compatible/tool-call-list.ts";
import { createPartTracker, type PartTracker } from "../part-tracker.ts";
import type { ReadContext } from "../provider.ts";
import { type RawCitation, readCitation, toCitations } from "./citation.ts";
import { toFailureOfEnd } from "./failure.ts";
import { toFinishReason } from "./finish-reason.ts";
import { toLogprobs } from "./logprobs.ts";
import { toUsage } from "./usage.ts";
import { cohereName, toolPlanId } from "./wire.ts";

/** A content block whose part has begun. */
type Block = { readonly kind: "text" | "thinking"; readonly index: number; text: string };

export class Answer {
  readonly #context: ReadContext;
  readonly #parts: PartTracker = createPartTracker();
  readonly #calls: ToolCallList;
  readonly #blocks = new Map<number, Block>();
  /** Citations whose text has not come yet; positions are counted in it. */
  #citations: RawCitation[] = [];
  #plan: number | undefined;
  #id = "";
  #end: JsonRecord | undefined;

  constructor(context: ReadContext) {
    this.#context = context;
    this.#calls = createToolCallList(this.#parts, cohereName, context.callIdSeed);
  }

  /** A reason to finish was read. */
  get isFinished(): boolean {
    return this.#end !== undefined;
  }

  begin(id: unknown): void {
    this.#id = asString(id) ?? this.#id;
  }

  /** "A chain-of-thought style reflection and plan" before calls: reasoning, in the words of the contract. */
  plan(piece: unknown): void {
    const text = asString(piece) ?? "";
    if (text === "") return;
    this.#plan ??= this.#parts.start(toReasoning(toolPlanId));
    this.#parts.reasoning(this.#plan, text);
  }

  /** A piece of a content block: its start, a delta, or all of it. */
  content(position: number, content: JsonRecord, logprobs: unknown): void {
    const thinking = asString(content["thinking"]);
    const kind = content["type"] === "thinking" || thinking !== undefined ? "thinking" : "text";
    const type = asString(content["type"]);
    if (type !== undefined && type !== "text" && type !== "thinking") {
      this.#keep(content, type);
      return;
    }
    const tokens = logprobs === undefined || logprobs === null ? undefined : toLogprobs(logprobs);
    this.#append(position, kind, thinking ?? asString(content["text"]) ?? "", tokens);
  }

  toolCall(position: number, call: JsonRecord): void {
    this.#calls.read({ ...call, index: position });
  }

  cite(value: unknown): void {
    const citation = readCitation(value);
    if (citation.isOfText) this.#citations.push(citation);
    this.#placeCitations(false);
  }

  /** Throws `ProviderFailure` when the answer failed. */
  end(end: JsonRecord): void {
    const failure = toFailureOfEnd(end);
    if (failure !== undefined) throw failure;
    this.#end = end;
  }

  close(): void {
    this.#placeCitations(true);
    this.#calls.finish(this.#finishReason === FinishReason.MAX_TOKENS);
    this.#parts.endAll();
  }

  take(): readonly StreamEvent[] {
    return this.#parts.take();
  }

  usage(): Usage | undefined {
    return toUsage(asObject(this.#end?.["usage"]) ?? {});
  }

  facts(): CompletionFacts {
    return {
      finishReason: this.#toFinishReason(),
      providerFinishReason: this.#finishWord,
      stopSequence: "",
      usage: this.usage(),
      responseModel: "", // The API does not say.
      providerResponseId: this.#id,
      serviceTier: "",
      safetyFindings: [],
      warnings: [],
      providerMetadata: this.#context.includeProviderMetadata ? this.#toMetadata() : {},
    };
  }

  get #finishWord(): string {
    return asString(this.#end?.["finish_reason"]) ?? "";
  }

  get #finishReason(): FinishReason {
    return toFinishReason(this.#finishWord);
  }

  #toFinishReason(): FinishReason {
    if (this.#calls.hasMalformed) return FinishReason.MALFORMED_OUTPUT;
    const reason = this.#finishReason;
    return reason === FinishReason.STOP && this.#calls.count > 0 ? FinishReason.TOOL_CALLS : reason;
  }

  #append(position: number, kind: Block["kind"], text: string, tokens: readonly TokenLogprob[] | undefined): void {
    let block = this.#blocks.get(position);
    if (block === undefined) {
      if (text === "" && tokens === undefined) return; // A block's start: it may stay empty.
      block = { kind, index: this.#parts.start(kind === "text" ? emptyText() : toReasoning("")), text: "" };
      this.#blocks.set(position, block);
    }
    block.text += text;
    if (block.kind === "thinking") this.#parts.reasoning(block.index, text);
    else this.#parts.text(block.index, text, tokens);
    if (this.#citations.length > 0) this.#placeCitations(false);
  }

  /** In the order of arrival; a citation whose text is not complete yet holds up those after it. */
  #placeCitations(isLast: boolean): void {
    while (this.#citations.length > 0) {
      const [citation] = this.#citations;
      const block = citation === undefined ? undefined : this.#blockOf(citation);
      if (citation === undefined) return;
      if (!isLast && (block === undefined || !covers(block.text, citation.end))) return;
      this.#citations = this.#citations.slice(1);
      if (block === undefined) continue;
      for (const made of toCitations(citation, block.text)) this.#parts.citation(block.index, made);
    }
  }

  #blockOf({ block }: RawCitation): Block | undefined {
    const texts = [...this.#blocks].filter(([, one]) => one.kind === "text");
    return (block === undefined ? texts[0] : texts.find(([position]) => position === block))?.[1];
  }

  #keep(content: JsonRecord, kind: string): void {
    const value = { provider: cohereName, kind, payloadJson: JSON.stringify(content) };
    this.#parts.end(this.#parts.start(create(PartSchema, { content: { case: "provider", value } })));
  }

  #toMetadata(): Record<string, JsonObject> {
    const { finish_reason: _, ...facts } = this.#end ?? {};
    return isJsonObject(facts) ? { [cohereName]: facts } : {};
  }
}

/** Code units are never fewer than code points, so a text of that many characters may still be too short: count those. */
function covers(text: string, end: number | undefined): boolean {
  return end === undefined || (text.length >= end && [...text].length >= end);
}

function emptyText(): Part {
  return create(PartSchema, { content: { case: "text", value: {} } });
}

/** The state says where the reasoning came from, so that the next turn does not carry it to another provider. */
function toReasoning(itemId: string): Part {
  return create(PartSchema, {
    content: { case: "reasoning", value: { kind: ReasoningKind.FULL } },
    state: create(OpaqueStateSchema, { provider: cohereName, itemId }),
  });
}

/** Members that came with `JSON.parse` are JSON. */
function isJsonObject(value: JsonRecord): value is JsonObject {
  return Object.keys(value).length > 0;
}
