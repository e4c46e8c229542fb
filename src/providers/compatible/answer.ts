// One reading for both forms of an answer: a whole chat completion is read as a stream of one chunk, and folded. So the two
// cannot differ (invariant 1), and a quirk is handled once.
import { create } from "@bufbuild/protobuf";
import {
  type Citation,
  FinishReason,
  OpaqueStateSchema,
  type Part,
  PartSchema,
  ReasoningKind,
  SafetySubject,
  type TokenLogprob,
  type Usage,
  type Warning,
} from "../../contract.ts";
import type { CompletionFacts } from "../../domain/completion.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { StreamEvent } from "../../domain/stream-event.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { fromBase64, parseDataUrl } from "../data-url.ts";
import { createPartTracker } from "../part-tracker.ts";
import type { ReadContext } from "../provider.ts";
import type { AnswerRules } from "./answer-rules.ts";
import { toAnnotationCitations, toSearchCitations } from "./citations.ts";
import { createContentFilterFindings } from "./content-filters.ts";
import { createExecutedTools } from "./executed-tools.ts";
import { toFailureInside } from "./failure.ts";
import { toFinishReason } from "./finish-reason.ts";
import { toLogprobs } from "./logprobs.ts";
import { createMetadata } from "./metadata.ts";
import { createReasoningDetails, type ReasoningDetails } from "./reasoning-details.ts";
import { toReportedCostNanoUsd } from "./reported-cost.ts";
import { createThinkTagSplitter } from "./think-tags.ts";
import { createToolCallList } from "./tool-call-list.ts";
import { toUsage } from "./usage.ts";
import type { WireChoice, WireChunk, WireDelta } from "./wire.ts";

/** Takes the chunks of one answer, in order; gives the contract's events. */
export class Answer {
  readonly #rules: AnswerRules;
  readonly #context: ReadContext;
  readonly #isWhole: boolean;
  readonly #parts = createPartTracker();
  readonly #calls;
  readonly #executed;
  readonly #filters;
  readonly #metadata;
  readonly #splitter;

  #text: number | undefined;
  /** What `#text` holds so far: positions of citations are counted in it. */
  #textSoFar = "";
  #reasoning: { readonly index: number; readonly details: ReasoningDetails } | undefined;
  #refusal: number | undefined;
  #audio: number | undefined;

  #id = "";
  #model = "";
  #serviceTier = "";
  #finishWord = "";
  #hasChoice = false;
  #stopSequence = "";
  #usage: JsonRecord | undefined;
  #cost: unknown;
  #searchResults: unknown;
  #addresses: unknown;

  /** `isWhole`: the chunk to come is a unary answer. */
  constructor(rules: AnswerRules, context: ReadContext, isWhole: boolean) {
    this.#rules = rules;
    this.#context = context;
    this.#isWhole = isWhole;
    this.#calls = createToolCallList(this.#parts, rules.providerName, context.callIdSeed);
    this.#executed = createExecutedTools(this.#parts, `${context.callIdSeed}x`);
    this.#filters = createContentFilterFindings(rules.providerName);
    this.#metadata = createMetadata(rules.providerName, context.includeProviderMetadata);
    this.#splitter = rules.thinkTags ? createThinkTagSplitter() : undefined;
  }

  /** True once the server gave a reason for the end; more may follow (usage, the reason again). */
  get hasFinishReason(): boolean {
    return this.#finishWord !== "";
  }

  /** True once anything of an answer came, be it empty. */
  get hasChoice(): boolean {
    return this.#hasChoice;
  }

  /** Throws `ProviderFailure` when the chunk holds an error. */
  read(chunk: WireChunk): readonly StreamEvent[] {
    // Azure's first chunk has empty ids; Copilot, Perplexity and Groq change the id in mid-stream: the first one counts.
    if (this.#id === "") this.#id = asString(chunk.id) ?? "";
    if (this.#model === "") this.#model = asString(chunk.model) ?? "";
    this.#readFacts(chunk);
    // After the counts: what was consumed until the error is billed.
    if ((chunk.error !== undefined && chunk.error !== null) || chunk.object === "error") throw toFailureInside(chunk);
    for (const item of asArray(chunk.choices) ?? []) {
      const choice: WireChoice | undefined = asObject(item);
      // Only the first choice: `n` is never sent, and a server that answers twice anyway is not believed twice.
      if (choice !== undefined && (choice.index === undefined || choice.index === null || choice.index === 0)) {
        this.#readChoice(choice);
      }
    }
    return this.#parts.take();
  }

  /** Counts known so far. */
  usage(): Usage | undefined {
    return this.#usage === undefined ? undefined : toUsage(this.#usage, []);
  }

  /** The answer is complete: closes what is open. */
  finish(): { readonly events: readonly StreamEvent[]; readonly facts: CompletionFacts } {
    for (const piece of this.#splitter?.finish() ?? []) this.#append(piece.kind, piece.text, undefined);
    this.#endReasoning();
    const calls = this.#calls.count;
    this.#calls.finish(isCutOff(this.#finishWord));
    this.#executed.finish();
    this.#cite(toSearchCitations(this.#searchResults, this.#addresses));
    this.#parts.endAll();
    const finishReason = toFinishReason(this.#finishWord, {
      hasToolCalls: calls > 0,
      hasRefusal: this.#refusal !== undefined,
      hasMalformedCall: this.#calls.hasMalformed,
    });
    return { events: this.#parts.take(), facts: this.#toFacts(finishReason) };
  }

  #toFacts(finishReason: FinishReason): CompletionFacts {
    const warnings: Warning[] = [];
    return {
      finishReason,
      providerFinishReason: this.#finishWord,
      stopSequence: this.#stopSequence,
      usage: this.#usage === undefined ? undefined : toUsage(this.#usage, warnings),
      responseModel: this.#model,
      providerResponseId: this.#id,
      serviceTier: this.#serviceTier,
      safetyFindings: this.#filters.toFindings(this.#context.includeAllSafetyFindings),
      warnings,
      providerMetadata: this.#metadata.toFacts(),
      reportedCostNanoUsd: toReportedCostNanoUsd(this.#usage, this.#cost),
    };
  }

  #readFacts(chunk: WireChunk): void {
    // Usage comes once, on the last chunks or cumulatively on each; Groq sends it twice. The last one counts, never a sum.
    const usage = asObject(chunk.usage) ?? asObject(asObject(chunk.x_groq)?.["usage"]);
    if (usage !== undefined) {
      this.#usage = usage;
      if (this.#serviceTier === "") this.#serviceTier = asString(usage["service_tier"]) ?? ""; // Mistral.
    }
    if (typeof chunk.service_tier === "string") this.#serviceTier = chunk.service_tier;
    if (chunk.cost !== undefined) this.#cost = chunk.cost;
    if (chunk.search_results !== undefined) this.#searchResults = chunk.search_results;
    if (chunk.citations !== undefined) this.#addresses = chunk.citations;
    if (chunk.prompt_filter_results !== undefined) this.#filters.addPrompt(chunk.prompt_filter_results);
    if (chunk.content_filter_results !== undefined)
      this.#filters.add(chunk.content_filter_results, SafetySubject.OUTPUT);
    this.#metadata.addChunk(chunk);
  }

  #readChoice(choice: WireChoice): void {
    this.#hasChoice = true;
    if (asObject(choice.error) !== undefined) throw toFailureInside(choice);
    // Perplexity sends both: in a stream the delta counts, in a whole answer the message.
    const delta = asObject(this.#isWhole ? (choice.message ?? choice.delta) : (choice.delta ?? choice.message));
    if (delta !== undefined) this.#readDelta(delta, choice.logprobs);
    if (typeof choice.finish_reason === "string" && choice.finish_reason !== "")
      this.#finishWord = choice.finish_reason;
    const stop = choice.stop_reason ?? choice.matched_stop;
    if (typeof stop === "string") this.#stopSequence = stop;
    if (choice.content_filter_results !== undefined) {
      this.#filters.add(choice.content_filter_results, SafetySubject.OUTPUT);
    }
    this.#metadata.addChoice(choice);
  }

  /** In the order in which a model works: reasoning, text, calls. */
  #readDelta(delta: WireDelta, logprobs: unknown): void {
    this.#readReasoning(delta);
    const { content } = delta;
    if (typeof content === "string") this.#readText(content, logprobs);
    else if (content !== undefined && content !== null) this.#readContentList(content);
    if (typeof delta.refusal === "string" && delta.refusal !== "") this.#readRefusal(delta.refusal);
    if (delta.executed_tools !== undefined) this.#readExecutedTools(delta.executed_tools);
    for (const call of asArray(delta.tool_calls) ?? []) this.#readCall(asObject(call) ?? {});
    const legacyCall = asObject(delta.function_call);
    if (legacyCall !== undefined) this.#readCall({ index: 0, function: legacyCall });
    if (delta.audio !== undefined) this.#readAudio(asObject(delta.audio));
    if (delta.images !== undefined) this.#readImages(delta.images);
    if (delta.annotations !== undefined) this.#cite(toAnnotationCitations(delta.annotations, this.#textSoFar));
  }

  #readReasoning(delta: WireDelta): void {
    const said = nonEmpty(delta.reasoning_content) ?? nonEmpty(delta.reasoning);
    const entries = asArray(delta.reasoning_details);
    if (entries !== undefined && entries.length > 0) {
      const fresh = this.#reasoning?.details ?? createReasoningDetails();
      const detailed = fresh.add(entries, this.#isWhole);
      this.#openReasoning(fresh, said ?? detailed);
      return;
    }
    if (said !== undefined) this.#append("reasoning", said, undefined);
  }

  #readText(content: string, logprobs: unknown): void {
    const tokens = logprobs === undefined || logprobs === null ? undefined : toLogprobs(logprobs);
    if (this.#splitter === undefined) {
      this.#append("text", content, tokens);
      return;
    }
    for (const piece of this.#splitter.push(content)) {
      this.#append(piece.kind, piece.text, piece.kind === "text" ? tokens : undefined);
    }
  }

  #append(kind: "text" | "reasoning", piece: string, logprobs: readonly TokenLogprob[] | undefined): void {
    if (kind === "reasoning") {
      this.#openReasoning(this.#reasoning?.details ?? createReasoningDetails(), piece);
      return;
    }
    if (this.#text === undefined) {
      if (piece === "") return; // Comes beside each piece of reasoning (OpenRouter, Ollama): not yet the answer.
      this.#endPlainReasoning();
      this.#text = this.#parts.start(create(PartSchema, { content: { case: "text", value: {} } }));
    }
    this.#textSoFar += piece;
    this.#parts.text(this.#text, piece, logprobs);
  }

  #openReasoning(details: ReasoningDetails, piece: string): void {
    if (this.#reasoning === undefined) {
      const kind = toReasoningKind(details, piece);
      const content = { case: "reasoning", value: { kind } } as const;
      // The state names where the reasoning came from, so that the next turn does not carry it to another provider.
      const state = create(OpaqueStateSchema, { provider: this.#rules.providerName });
      this.#reasoning = { index: this.#parts.start(create(PartSchema, { content, state })), details };
    }
    this.#parts.reasoning(this.#reasoning.index, piece);
  }

  /** Text or a call begins: reasoning is over, unless its signatures may still come (they do, beside the calls). */
  #endPlainReasoning(): void {
    if (this.#reasoning?.details.isEmpty === true) this.#endReasoning();
  }

  #endReasoning(): void {
    if (this.#reasoning === undefined) return;
    const { index, details } = this.#reasoning;
    if (!details.isEmpty) {
      const data = new TextEncoder().encode(details.toJson());
      this.#parts.state(index, create(OpaqueStateSchema, { provider: this.#rules.providerName, data }));
    }
    this.#parts.end(index);
    this.#reasoning = undefined;
  }

  /** Mistral: `content` as a list of text, thinking and references. */
  #readContentList(content: unknown): void {
    for (const item of asArray(content) ?? []) {
      const entry = asObject(item) ?? {};
      switch (entry["type"]) {
        case "text":
          this.#readText(asString(entry["text"]) ?? "", undefined);
          break;
        case "thinking":
          this.#append("reasoning", toThinkingText(entry["thinking"]), undefined);
          break;
        case "image_url":
          this.#readImages([entry]);
          break;
        default:
          this.#keepUnknown(entry);
      }
    }
  }

  #keepUnknown(entry: JsonRecord): void {
    const kind = asString(entry["type"]) ?? "unknown";
    const value = { provider: this.#rules.providerName, kind, payloadJson: JSON.stringify(entry) };
    this.#addWhole(create(PartSchema, { content: { case: "provider", value } }));
  }

  #readRefusal(piece: string): void {
    this.#endPlainReasoning();
    this.#refusal ??= this.#parts.start(create(PartSchema, { content: { case: "refusal", value: {} } }));
    this.#parts.text(this.#refusal, piece);
  }

  #readCall(raw: JsonRecord): void {
    this.#endPlainReasoning();
    this.#calls.read(raw);
  }

  #readExecutedTools(raw: unknown): void {
    this.#endPlainReasoning();
    this.#executed.read(raw);
  }

  /** Base64 pieces that stand alone, with a transcript beside them. */
  #readAudio(audio: JsonRecord | undefined): void {
    if (audio === undefined) return;
    const itemId = asString(audio["id"]) ?? "";
    if (this.#audio === undefined) {
      this.#endPlainReasoning();
      const source = { case: "data", value: new Uint8Array(0) } as const;
      const state = create(OpaqueStateSchema, { provider: this.#rules.providerName, itemId });
      this.#audio = this.#parts.start(create(PartSchema, { content: { case: "audio", value: { source } }, state }));
    }
    this.#parts.text(this.#audio, asString(audio["transcript"]) ?? "");
    this.#parts.data(this.#audio, fromBase64(asString(audio["data"]) ?? ""));
  }

  #readImages(raw: unknown): void {
    for (const item of asArray(raw) ?? []) {
      const image = asObject(item)?.["image_url"];
      const uri = asString(image) ?? asString(asObject(image)?.["url"]);
      if (uri !== undefined && uri !== "") this.#addWhole(toImage(uri));
    }
  }

  #addWhole(part: Part): void {
    this.#endPlainReasoning();
    this.#parts.end(this.#parts.start(part));
  }

  #cite(citations: readonly Citation[]): void {
    if (this.#text === undefined) return;
    for (const citation of citations) this.#parts.citation(this.#text, citation);
  }
}

/** Throws the failure of a stream whose bytes ended before its answer did. */
export function throwInterrupted(): never {
  throw new ProviderFailure("interrupted", "the provider's stream ended without a finish reason");
}

/** The end came from outside: a limit, a filter, a failure. */
function isCutOff(finishWord: string): boolean {
  const reason = toFinishReason(finishWord, { hasToolCalls: false, hasRefusal: false, hasMalformedCall: false });
  return reason !== FinishReason.STOP && reason !== FinishReason.UNSPECIFIED;
}

function nonEmpty(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function toReasoningKind(details: ReasoningDetails, piece: string): ReasoningKind {
  if (details.isSummary) return ReasoningKind.SUMMARY;
  return piece === "" ? ReasoningKind.REDACTED : ReasoningKind.FULL;
}

function toThinkingText(thinking: unknown): string {
  if (typeof thinking === "string") return thinking;
  return (asArray(thinking) ?? []).map((item) => asString(asObject(item)?.["text"]) ?? "").join("");
}

function toImage(uri: string): Part {
  const inline = parseDataUrl(uri);
  if (inline === undefined) {
    return create(PartSchema, { content: { case: "image", value: { source: { case: "uri", value: uri } } } });
  }
  const { mediaType, data } = inline;
  return create(PartSchema, {
    content: { case: "image", value: { source: { case: "data", value: data }, mediaType } },
  });
}
