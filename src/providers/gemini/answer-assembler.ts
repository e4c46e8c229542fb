// The state of one answer. A whole answer is one chunk of a stream, so that both give the same parts by construction
// (invariant 1).
import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  type OpaqueState,
  OpaqueStateSchema,
  type Part,
  PartSchema,
  ReasoningKind,
  type SafetyFinding,
  SafetySubject,
  type TokenLogprob,
  type Usage,
} from "../../contract.ts";
import type { CompletionFacts } from "../../domain/completion.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { StreamEvent } from "../../domain/stream-event.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { fromBase64 } from "../data-url.ts";
import { createPartTracker } from "../part-tracker.ts";
import type { ReadContext } from "../provider.ts";
import { toProviderMessage } from "../provider-message.ts";
import { toFinishReason, toFinishWord } from "./finish-reason.ts";
import { toCitations } from "./grounding.ts";
import { toLogprobs } from "./logprobs.ts";
import { toFindings } from "./safety.ts";
import { toUsage } from "./usage.ts";
import { codeExecutionName } from "./wire.ts";

export interface AnswerAssembler {
  /** One `GenerateContentResponse`. Throws `ProviderFailure` when the prompt was blocked. */
  add(chunk: JsonRecord): void;
  /** A reason to finish was read. More chunks may follow all the same. */
  readonly isFinished: boolean;
  /** Places citations and closes what is open. */
  close(): void;
  take(): readonly StreamEvent[];
  usage(): Usage | undefined;
  facts(): CompletionFacts;
}

/** `stateProvider`: name in `OpaqueState` and `ProviderPart`. */
export function createAnswerAssembler(context: ReadContext, stateProvider: string): AnswerAssembler {
  return new Assembler(context, stateProvider);
}

/** The part that the next piece may still grow. */
type Growing =
  | { readonly kind: "text" | "thought"; readonly index: number }
  | { readonly kind: "audio"; readonly index: number; readonly mediaType: string };

class Assembler implements AnswerAssembler {
  readonly #context: ReadContext;
  readonly #stateProvider: string;
  readonly #tracker = createPartTracker();
  /** Text of the text parts by index, to place citations in. Text parts stay open for those until the end. */
  readonly #texts = new Map<number, string>();
  readonly #findings = new Map<string, SafetyFinding>();
  #growing: Growing | undefined;
  #finishReason = "";
  #hasCalls = false;
  #callsMade = 0;
  #lastExecuted = "";
  #usage: JsonRecord = {};
  #facts: JsonRecord = {};
  #candidate: JsonRecord = {};

  constructor(context: ReadContext, stateProvider: string) {
    this.#context = context;
    this.#stateProvider = stateProvider;
  }

  get isFinished(): boolean {
    return this.#finishReason !== "";
  }

  add(chunk: JsonRecord): void {
    const { candidates, usageMetadata, promptFeedback, ...facts } = chunk;
    this.#usage = { ...this.#usage, ...asObject(usageMetadata) };
    this.#facts = { ...this.#facts, ...facts };
    this.#readFeedback(asObject(promptFeedback));
    const candidate = asObject(asArray(candidates)?.[0]);
    if (candidate === undefined) return;
    const { content, finishReason, safetyRatings, logprobsResult, ...rest } = candidate;
    this.#candidate = { ...this.#candidate, ...rest };
    this.#note(toFindings(safetyRatings, this.#stateProvider, SafetySubject.OUTPUT, this.#wantsAll));
    this.#readParts(asArray(asObject(content)?.["parts"]) ?? [], toLogprobs(logprobsResult));
    this.#finishReason = toFinishWord(finishReason) || this.#finishReason;
  }

  close(): void {
    const pieces = [...this.#texts].map(([index, text]) => ({ index, text }));
    const grounding = asObject(this.#candidate["groundingMetadata"]);
    const recited = asObject(this.#candidate["citationMetadata"]);
    for (const { index, citation } of toCitations(grounding, recited, pieces)) this.#tracker.citation(index, citation);
    this.#tracker.endAll();
  }

  take(): readonly StreamEvent[] {
    return this.#tracker.take();
  }

  usage(): Usage | undefined {
    const grounding = asObject(this.#candidate["groundingMetadata"]);
    return toUsage(this.#usage, asArray(grounding?.["webSearchQueries"])?.length ?? 0);
  }

  facts(): CompletionFacts {
    return {
      finishReason: toFinishReason(this.#finishReason, this.#hasCalls),
      providerFinishReason: this.#finishReason,
      stopSequence: "",
      usage: this.usage(),
      responseModel: asString(this.#facts["modelVersion"]) ?? "",
      providerResponseId: asString(this.#facts["responseId"]) ?? "",
      serviceTier: asString(this.#usage["serviceTier"]) ?? asString(this.#usage["trafficType"]) ?? "",
      safetyFindings: [...this.#findings.values()],
      warnings: [],
      providerMetadata: this.#context.includeProviderMetadata ? this.#toMetadata() : {},
    };
  }

  get #wantsAll(): boolean {
    return this.#context.includeAllSafetyFindings;
  }

  /** A blocked prompt has no candidate. If output stands already, it was the output that was cut off. */
  #readFeedback(feedback: JsonRecord | undefined): void {
    if (feedback === undefined) return;
    this.#note(toFindings(feedback["safetyRatings"], this.#stateProvider, SafetySubject.INPUT, this.#wantsAll));
    const blockReason = asString(feedback["blockReason"]) ?? "";
    if (blockReason === "" || blockReason === "BLOCKED_REASON_UNSPECIFIED") return;
    if (this.#tracker.count > 0) {
      this.#finishReason = blockReason;
      return;
    }
    throw new ProviderFailure("content-filtered", "the provider's filter blocked the input", {
      providerCode: blockReason,
      providerMessage: toProviderMessage(asString(feedback["blockReasonMessage"]) ?? blockReason),
    });
  }

  /** Ratings are repeated in each chunk: the last one of a category counts. */
  #note(findings: readonly SafetyFinding[]): void {
    for (const finding of findings) this.#findings.set(`${finding.subject} ${finding.category}`, finding);
  }

  #readParts(parts: readonly unknown[], logprobs: readonly TokenLogprob[]): void {
    let unplaced = logprobs;
    for (const value of parts) {
      const part = asObject(value) ?? {};
      const isText = typeof part["text"] === "string" && part["thought"] !== true;
      this.#readPart(part, isText ? unplaced : []);
      if (isText) unplaced = [];
    }
  }

  #readPart(part: JsonRecord, logprobs: readonly TokenLogprob[]): void {
    const text = asString(part["text"]);
    const state = this.#toState(part);
    if (text !== undefined) this.#readText(text, part["thought"] === true ? "thought" : "text", state, logprobs);
    else if (isCall(part["functionCall"])) this.#readCall(part["functionCall"], state);
    else if (part["executableCode"] !== undefined) this.#readExecuted(part["executableCode"], codeExecutionName, state);
    else if (part["toolCall"] !== undefined) this.#readExecuted(part["toolCall"], toToolName(part["toolCall"]), state);
    else if (part["codeExecutionResult"] !== undefined) this.#readExecutedResult(part, "codeExecutionResult");
    else if (part["toolResponse"] !== undefined) this.#readExecutedResult(part, "toolResponse");
    else if (part["inlineData"] !== undefined) this.#readData(asObject(part["inlineData"]) ?? {}, part, state);
    else this.#readOther(part, state);
  }

  /**
   * Text grows the part before it, unless one of the two is signed: a signature belongs to its own piece and has to go
   * back on that ("Thought signatures": do not merge parts with and without one).
   */
  #readText(
    text: string,
    kind: "text" | "thought",
    state: OpaqueState | undefined,
    logprobs: readonly TokenLogprob[],
  ): void {
    if (text === "" && state === undefined) return;
    if (this.#growing?.kind !== kind || state !== undefined) {
      const index = this.#begin(kind === "text" ? toTextPart() : toThoughtPart(), state);
      this.#growing = { kind, index };
    }
    const { index } = this.#growing;
    if (kind === "thought") this.#tracker.reasoning(index, text);
    else {
      this.#tracker.text(index, text, logprobs);
      this.#texts.set(index, (this.#texts.get(index) ?? "") + text);
    }
    if (state !== undefined) this.#growing = undefined;
  }

  /** Calls come whole; one without parameters has no `args`. */
  #readCall(call: JsonRecord, signed: OpaqueState | undefined): void {
    const id = asString(call["id"]) ?? "";
    const value = {
      callId: id === "" ? this.#makeId() : id,
      name: asString(call["name"]) ?? "",
      argumentsJson: JSON.stringify(call["args"] ?? {}),
    };
    const state = id === "" ? signed : create(OpaqueStateSchema, { ...this.#emptyState(), ...signed, itemId: id });
    this.#hasCalls = true;
    this.#whole(create(PartSchema, { content: { case: "toolCall", value } }), state);
  }

  #readExecuted(content: unknown, name: string, signed: OpaqueState | undefined): void {
    const id = asString(asObject(content)?.["id"]) ?? "";
    this.#lastExecuted = id === "" ? this.#makeId() : id;
    const value = { callId: this.#lastExecuted, name, argumentsJson: JSON.stringify(content), providerExecuted: true };
    // The state tells on the way back that the call is Google's own.
    this.#whole(create(PartSchema, { content: { case: "toolCall", value } }), signed ?? this.#emptyState());
  }

  /** The result follows its call; the whole part is kept, to go back as it came. */
  #readExecutedResult(part: JsonRecord, kind: "codeExecutionResult" | "toolResponse"): void {
    const result = asObject(part[kind]) ?? {};
    const outcome = asString(result["outcome"]) ?? "OUTCOME_OK";
    const value = {
      callId: asString(result["id"]) ?? this.#lastExecuted,
      name: kind === "toolResponse" ? toToolName(result) : codeExecutionName,
      content: [this.#toProviderPart(part, kind)],
      isError: outcome !== "OUTCOME_OK",
      providerExecuted: true,
    };
    if (value.callId === "") this.#whole(this.#toProviderPart(part, kind), undefined);
    else this.#whole(create(PartSchema, { content: { case: "toolResult", value } }), undefined);
  }

  /** Images come whole; audio is streamed in pieces of one type. Drafts of the thinking are no answer and stay raw. */
  #readData(blob: JsonRecord, part: JsonRecord, state: OpaqueState | undefined): void {
    const mediaType = asString(blob["mimeType"]) ?? "";
    const data = fromBase64(asString(blob["data"]) ?? "");
    const kind = mediaCase(mediaType);
    if (part["thought"] === true) {
      this.#whole(this.#toProviderPart(part, "thought"), undefined);
      return;
    }
    if (kind === "audio" && this.#growing?.kind === "audio" && this.#growing.mediaType === mediaType) {
      this.#tracker.data(this.#growing.index, data);
      return;
    }
    const value = { source: { case: "data", value: data }, mediaType } as const;
    const made = create(PartSchema, { content: { case: kind, value } });
    if (kind === "audio") this.#growing = { kind, index: this.#begin(made, state), mediaType };
    else this.#whole(made, state);
  }

  #readOther(part: JsonRecord, state: OpaqueState | undefined): void {
    const { thoughtSignature: _, thought: __, ...content } = part;
    const [kind] = Object.keys(content);
    if (kind !== undefined) this.#whole(this.#toProviderPart(part, kind), undefined);
    else if (state !== undefined) this.#whole(toTextPart(), state);
  }

  #whole(part: Part, state: OpaqueState | undefined): void {
    const index = this.#begin(part, state);
    this.#tracker.end(index);
  }

  #begin(part: Part, state: OpaqueState | undefined): number {
    this.#endGrowing();
    if (state !== undefined) part.state = state;
    return this.#tracker.start(part);
  }

  #endGrowing(): void {
    const growing = this.#growing;
    this.#growing = undefined;
    if (growing !== undefined && growing.kind !== "text") this.#tracker.end(growing.index);
  }

  #toState(part: JsonRecord): OpaqueState | undefined {
    const signature = asString(part["thoughtSignature"]) ?? "";
    if (signature === "") return undefined;
    return create(OpaqueStateSchema, { provider: this.#stateProvider, data: new TextEncoder().encode(signature) });
  }

  #emptyState(): OpaqueState {
    return create(OpaqueStateSchema, { provider: this.#stateProvider });
  }

  #makeId(): string {
    const id = `${this.#context.callIdSeed}${this.#callsMade}`;
    this.#callsMade += 1;
    return id;
  }

  #toProviderPart(part: JsonRecord, kind: string): Part {
    const value = { provider: this.#stateProvider, kind, payloadJson: JSON.stringify(part) };
    return create(PartSchema, { content: { case: "provider", value } });
  }

  #toMetadata(): Record<string, JsonObject> {
    const { modelVersion: _, responseId: __, ...facts } = this.#facts;
    const metadata = { ...facts, ...this.#candidate, usageMetadata: this.#usage };
    return isJsonObject(metadata) ? { [this.#stateProvider]: metadata } : {};
  }
}

/** A call without a name is a piece of one, which only comes when a caller's own option asks for pieces: kept raw. */
function isCall(value: unknown): value is JsonRecord {
  return (asString(asObject(value)?.["name"]) ?? "") !== "";
}

function toTextPart(): Part {
  return create(PartSchema, { content: { case: "text", value: {} } });
}

/** "Thought summaries": the thoughts themselves are never shown. */
function toThoughtPart(): Part {
  return create(PartSchema, { content: { case: "reasoning", value: { kind: ReasoningKind.SUMMARY } } });
}

/** "GOOGLE_SEARCH_WEB" to "google_search_web". */
function toToolName(call: unknown): string {
  return (asString(asObject(call)?.["toolType"]) ?? "tool").toLowerCase();
}

function mediaCase(mediaType: string): "image" | "audio" | "video" | "document" {
  const family = mediaType.split("/", 1)[0];
  return family === "image" || family === "audio" || family === "video" ? family : "document";
}

/** Members that came with `JSON.parse` are JSON. */
function isJsonObject(value: JsonRecord): value is JsonObject {
  return typeof value === "object";
}
