// The state of one answer of Converse. A whole answer is read as a stream of whole blocks, so that both give the same
// parts by construction (invariant 1).
import { create, type JsonObject } from "@bufbuild/protobuf";
import { OpaqueStateSchema, type Part, PartSchema, ReasoningKind, type Usage } from "../../contract.ts";
import type { CompletionFacts } from "../../domain/completion.ts";
import type { StreamEvent } from "../../domain/stream-event.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { fromBase64 } from "../data-url.ts";
import { createPartTracker, type PartTracker } from "../part-tracker.ts";
import type { ReadContext } from "../provider.ts";
import { toCitation } from "./citation.ts";
import { toImage, toState, toToolCall, toUnknown } from "./converse-part.ts";
import { toFinishReason } from "./finish-reason.ts";
import { toFindings } from "./guardrail.ts";
import { toUsage } from "./usage.ts";
import { bedrockName, claudeStateProvider } from "./wire.ts";

/** A block whose part has begun, or whose whole is still to come. */
type Open =
  | { readonly kind: "text"; readonly index: number; readonly citations: unknown[] }
  | { readonly kind: "reasoning" | "image"; readonly index: number }
  | { readonly kind: "tool-call"; readonly index: number; hasArguments: boolean }
  | { readonly kind: "tool-result"; readonly start: JsonRecord; readonly content: JsonRecord[] };

export class ConverseAnswer {
  readonly #context: ReadContext;
  readonly #parts: PartTracker = createPartTracker();
  readonly #open = new Map<number, Open>();
  #hasCalls = false;
  #stop: JsonRecord | undefined;
  #metadata: JsonRecord = {};

  constructor(context: ReadContext) {
    this.#context = context;
  }

  /** `contentBlockStart`, which only some kinds of block have. */
  blockStart(position: number, start: JsonRecord): void {
    const [kind, value] = Object.entries(start)[0] ?? [];
    const block = asObject(value) ?? {};
    if (kind === "toolUse") this.#startToolCall(position, block);
    else if (kind === "toolResult") this.#open.set(position, { kind: "tool-result", start: block, content: [] });
    else if (kind === "image") {
      this.#open.set(position, { kind: "image", index: this.#parts.start(toImage(asString(block["format"]) ?? "")) });
    } else if (kind !== undefined) this.#addWhole(toUnknown(kind, value));
  }

  /** `contentBlockDelta`: opens the block where there was no start. */
  blockDelta(position: number, delta: JsonRecord): void {
    const [kind, value] = Object.entries(delta)[0] ?? [];
    switch (kind) {
      case "text":
        if (value !== "") this.#parts.text(this.#textAt(position).index, asString(value) ?? "");
        return;
      case "citation":
        this.#cite(position, value);
        return;
      case "reasoningContent":
        this.#reason(position, asObject(value) ?? {});
        return;
      case "toolUse":
        this.#write(position, asString(asObject(value)?.["input"]) ?? "");
        return;
      case "toolResult":
        this.#addResult(position, asArray(value) ?? []);
        return;
      case "image":
        this.#addImage(position, asObject(asObject(value)?.["source"]) ?? {});
        return;
      default:
        return; // A kind of delta that is newer than this program.
    }
  }

  blockStop(position: number): void {
    const open = this.#open.get(position);
    this.#open.delete(position);
    if (open === undefined) return;
    if (open.kind === "tool-result") {
      this.#addWhole(toResult(open.start, open.content));
      return;
    }
    // A call without parameters gets no input: callers parse JSON.
    if (open.kind === "tool-call" && !open.hasArguments) this.#parts.arguments(open.index, "{}");
    if (open.kind === "text" && open.citations.length > 0) {
      this.#parts.state(open.index, toState(bedrockName, JSON.stringify(open.citations)));
    }
    this.#parts.end(open.index);
  }

  /** A kind that the contract does not model: kept as JSON text, to go back as it came. */
  unknownBlock(kind: string, value: unknown): void {
    this.#addWhole(toUnknown(kind, value));
  }

  /** A whole image of a unary answer. */
  image(image: JsonRecord): void {
    const index = this.#parts.start(toImage(asString(image["format"]) ?? ""));
    this.#parts.data(index, fromBase64(asString(asObject(image["source"])?.["bytes"]) ?? ""));
    this.#parts.end(index);
  }

  /** `messageStop`. The counts come after it. */
  stop(stop: JsonRecord): void {
    this.#stop = stop;
  }

  get isStopped(): boolean {
    return this.#stop !== undefined;
  }

  metadata(metadata: JsonRecord): void {
    this.#metadata = { ...this.#metadata, ...metadata };
  }

  close(): void {
    for (const position of [...this.#open.keys()]) this.blockStop(position);
  }

  take(): readonly StreamEvent[] {
    return this.#parts.take();
  }

  usage(): Usage | undefined {
    return toUsage(asObject(this.#metadata["usage"]));
  }

  facts(): CompletionFacts {
    const word = asString(this.#stop?.["stopReason"]) ?? "";
    const trace = asObject(this.#metadata["trace"]);
    const additional = asObject(this.#stop?.["additionalModelResponseFields"]);
    return {
      finishReason: toFinishReason(word, this.#hasCalls),
      providerFinishReason: word,
      stopSequence: asString(additional?.["stop_sequence"]) ?? "", // Only when its path was asked for.
      usage: this.usage(),
      responseModel: asString(asObject(trace?.["promptRouter"])?.["invokedModelId"]) ?? "",
      providerResponseId: "", // Stands in a header, which a stream's reader does not see.
      serviceTier: asString(asObject(this.#metadata["serviceTier"])?.["type"]) ?? "",
      safetyFindings: toFindings(trace, this.#context.includeAllSafetyFindings),
      warnings: [],
      providerMetadata: this.#context.includeProviderMetadata ? this.#toMetadata() : {},
    };
  }

  #startToolCall(position: number, block: JsonRecord): void {
    const part = toToolCall(block, `${this.#context.callIdSeed}${this.#parts.count}`);
    this.#hasCalls ||= part.content.case === "toolCall" && !part.content.value.providerExecuted;
    this.#open.set(position, { kind: "tool-call", index: this.#parts.start(part), hasArguments: false });
  }

  #textAt(position: number): Extract<Open, { kind: "text" }> {
    const open = this.#open.get(position);
    if (open?.kind === "text") return open;
    this.blockStop(position);
    const index = this.#parts.start(create(PartSchema, { content: { case: "text", value: {} } }));
    const made: Extract<Open, { kind: "text" }> = { kind: "text", index, citations: [] };
    this.#open.set(position, made);
    return made;
  }

  #cite(position: number, citation: unknown): void {
    const { index, citations } = this.#textAt(position);
    citations.push(citation);
    this.#parts.citation(index, toCitation(citation));
  }

  #reason(position: number, delta: JsonRecord): void {
    const { text, signature, redactedContent: redacted } = delta;
    if (typeof redacted === "string") {
      const { index } = this.#reasoningAt(position, ReasoningKind.REDACTED);
      this.#parts.state(index, create(OpaqueStateSchema, { provider: bedrockName, data: fromBase64(redacted) }));
    }
    if (typeof text === "string" && text !== "") {
      this.#parts.reasoning(this.#reasoningAt(position, this.#reasoningKind).index, text);
    }
    if (typeof signature === "string" && signature !== "") {
      const { index } = this.#reasoningAt(position, this.#reasoningKind);
      this.#parts.state(index, toState(this.#stateProvider, signature));
    }
  }

  #reasoningAt(position: number, kind: ReasoningKind): { readonly index: number } {
    const open = this.#open.get(position);
    if (open?.kind === "reasoning") return open;
    this.blockStop(position);
    const content = { case: "reasoning", value: { kind } } as const;
    // The state says whose it is also where there is no signature, so that no other provider gets it.
    const provider = kind === ReasoningKind.REDACTED ? bedrockName : this.#stateProvider;
    const index = this.#parts.start(create(PartSchema, { content, state: create(OpaqueStateSchema, { provider }) }));
    const made = { kind: "reasoning", index } as const;
    this.#open.set(position, made);
    return made;
  }

  get #stateProvider(): string {
    return this.#isClaude ? claudeStateProvider : bedrockName;
  }

  get #isClaude(): boolean {
    return this.#context.model.includes("claude");
  }

  /** Claude from version 4 on shows a summary ("Extended thinking", "Summarized thinking"). */
  get #reasoningKind(): ReasoningKind {
    return this.#isClaude && !/claude-3[-.]7/.test(this.#context.model) ? ReasoningKind.SUMMARY : ReasoningKind.FULL;
  }

  #write(position: number, json: string): void {
    const open = this.#open.get(position);
    if (open?.kind !== "tool-call" || json === "") return;
    open.hasArguments = true;
    this.#parts.arguments(open.index, json);
  }

  #addResult(position: number, pieces: readonly unknown[]): void {
    const open = this.#open.get(position);
    if (open?.kind !== "tool-result") return;
    for (const piece of pieces) {
      const entry = asObject(piece) ?? {};
      const last = open.content.at(-1);
      const isText = typeof entry["text"] === "string" && typeof last?.["text"] === "string";
      if (isText) open.content[open.content.length - 1] = { text: `${last["text"]}${entry["text"]}` };
      else open.content.push(entry);
    }
  }

  #addImage(position: number, source: JsonRecord): void {
    const open = this.#open.get(position);
    if (open?.kind === "image") this.#parts.data(open.index, fromBase64(asString(source["bytes"]) ?? ""));
  }

  #addWhole(part: Part): void {
    this.#parts.end(this.#parts.start(part));
  }

  /** Without the trace: it repeats what a guardrail has masked. */
  #toMetadata(): Record<string, JsonObject> {
    const { usage, metrics, performanceConfig } = this.#metadata;
    const additional = this.#stop?.["additionalModelResponseFields"];
    const known = Object.entries({ usage, metrics, performanceConfig, additionalModelResponseFields: additional });
    const facts = Object.fromEntries(known.filter(([, value]) => asObject(value) !== undefined));
    return isJsonObject(facts) ? { [bedrockName]: facts } : {};
  }
}

/** In one order of members, whichever form it came in. */
function toResult(start: JsonRecord, content: readonly JsonRecord[]): Part {
  const callId = asString(start["toolUseId"]) ?? "";
  const { toolUseId: _, status, ...rest } = start;
  const kept = toUnknown("toolResult", { toolUseId: callId, content, status, ...rest });
  const value = { callId, content: [kept], isError: status === "error", providerExecuted: true };
  return create(PartSchema, { content: { case: "toolResult", value } });
}

/** Members that came with `JSON.parse` are JSON. */
function isJsonObject(value: JsonRecord): value is JsonObject {
  return Object.keys(value).length > 0;
}
