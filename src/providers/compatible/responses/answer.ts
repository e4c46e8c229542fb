import { FinishReason, SafetySubject, type Usage, type Warning } from "../../../contract.ts";
import type { CompletionFacts } from "../../../domain/completion.ts";
import type { StreamEvent } from "../../../domain/stream-event.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../../wire/json.ts";
import { createPartTracker } from "../../part-tracker.ts";
import type { ReadContext } from "../../provider.ts";
import { wordTable } from "../../word-table.ts";
import type { AnswerRules } from "../answer-rules.ts";
import { createContentFilterFindings } from "../content-filters.ts";
import { toFailureInside } from "../failure.ts";
import { createMetadata } from "../metadata.ts";
import { toReportedCostNanoUsd } from "../reported-cost.ts";
import { toUsage } from "../usage.ts";
import { createOutputItems, type OutputItems, type Slot } from "./output-items.ts";
import type { WireResponse, WireResponseEvent } from "./wire.ts";

/** Takes the events of one response, or the whole of it; gives the contract's events. */
export class ResponsesAnswer {
  readonly #context: ReadContext;
  readonly #parts = createPartTracker();
  readonly #items: OutputItems;
  readonly #filters;
  readonly #metadata;
  #id = "";
  #model = "";
  #serviceTier = "";
  #status = "";
  #incompleteBecause = "";
  #usage: JsonRecord | undefined;
  #isComplete = false;

  constructor(rules: AnswerRules, context: ReadContext) {
    this.#context = context;
    this.#items = createOutputItems(this.#parts, rules.providerName, context.callIdSeed);
    this.#filters = createContentFilterFindings(rules.providerName);
    this.#metadata = createMetadata(rules.providerName, context.includeProviderMetadata);
  }

  /** True once the response is complete or incomplete; nothing follows. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** One event. Unknown ones are skipped: there are over fifty, and more every month. Throws `ProviderFailure` on errors. */
  readEvent(event: WireResponseEvent): readonly StreamEvent[] {
    const { type } = event;
    if (type === "response.output_text.delta")
      this.#grow(event, { kind: "text", position: position(event.content_index) });
    else if (typeof type === "string") this.#readRareEvent(type, event);
    return this.#parts.take();
  }

  /** A whole answer. Throws `ProviderFailure` when it is a failed one. */
  readResponse(response: WireResponse): readonly StreamEvent[] {
    this.#readLast(response);
    return this.#parts.take();
  }

  usage(): Usage | undefined {
    return this.#usage === undefined ? undefined : this.#toUsage([]);
  }

  finish(): { readonly events: readonly StreamEvent[]; readonly facts: CompletionFacts } {
    this.#parts.endAll();
    const warnings: Warning[] = [];
    const facts: CompletionFacts = {
      finishReason: this.#toFinishReason(),
      providerFinishReason: this.#incompleteBecause || this.#status,
      stopSequence: "",
      usage: this.#toUsage(warnings),
      responseModel: this.#model,
      providerResponseId: this.#id,
      serviceTier: this.#serviceTier,
      safetyFindings: this.#filters.toFindings(this.#context.includeAllSafetyFindings),
      warnings,
      providerMetadata: this.#metadata.toFacts(),
      reportedCostNanoUsd: toReportedCostNanoUsd(this.#usage, undefined),
    };
    return { events: this.#parts.take(), facts };
  }

  #toUsage(warnings: Warning[]): Usage | undefined {
    const usage = this.#usage === undefined ? undefined : toUsage(this.#usage, warnings);
    if (usage !== undefined) Object.assign(usage.providerToolCalls, this.#items.serverToolCalls);
    return usage;
  }

  #toFinishReason(): FinishReason {
    if (this.#status === "incomplete") return reasonOfIncomplete[this.#incompleteBecause] ?? FinishReason.OTHER;
    if (this.#status !== "completed" && this.#status !== "") return FinishReason.OTHER; // Queued: a background response.
    if (this.#items.hasToolCalls()) return FinishReason.TOOL_CALLS;
    return this.#items.hasRefusal() ? FinishReason.REFUSAL : FinishReason.STOP;
  }

  #readRareEvent(type: string, event: WireResponseEvent): void {
    switch (type) {
      case "response.created":
      case "response.in_progress":
      case "response.queued":
        this.#readFacts(asObject(event.response) ?? {});
        return;
      case "response.output_item.added":
        this.#items.begin(position(event.output_index), asObject(event.item) ?? {});
        return;
      case "response.output_item.done":
        this.#items.complete(position(event.output_index), asObject(event.item) ?? {});
        return;
      case "response.output_text.annotation.added":
        this.#items.annotate(position(event.output_index), position(event.content_index), event.annotation);
        return;
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
        this.#readLast(asObject(event.response) ?? {});
        return;
      case "error":
      case "response.error":
        throw toFailureInside(event);
      default: {
        const slot = toSlot(type, event);
        if (slot !== undefined) this.#grow(event, slot);
      }
    }
  }

  #readLast(response: WireResponse): void {
    this.#readFacts(response);
    if (response.status === "failed" || asObject(response.error) !== undefined) throw toFailureInside(response);
    for (const [place, item] of (asArray(response.output) ?? []).entries()) {
      this.#items.complete(place, asObject(item) ?? {});
    }
    this.#isComplete = true;
  }

  #grow(event: WireResponseEvent, slot: Slot): void {
    if (typeof event.delta !== "string") return;
    this.#items.grow(position(event.output_index), slot, event.delta, event.logprobs);
  }

  #readFacts(response: WireResponse): void {
    this.#id ||= asString(response.id) ?? "";
    this.#model = asString(response.model) ?? this.#model;
    this.#serviceTier = asString(response.service_tier) ?? this.#serviceTier;
    this.#status = asString(response.status) ?? this.#status;
    this.#incompleteBecause = asString(asObject(response.incomplete_details)?.["reason"]) ?? "";
    this.#usage = asObject(response.usage) ?? this.#usage;
    for (const filter of asArray(response.content_filters) ?? []) {
      const entry = asObject(filter) ?? {};
      const subject = entry["source_type"] === "prompt" ? SafetySubject.INPUT : SafetySubject.OUTPUT;
      this.#filters.add(entry["content_filter_results"], subject);
    }
    this.#metadata.addResponse(response);
  }
}

const reasonOfIncomplete = wordTable<FinishReason>({
  max_output_tokens: FinishReason.MAX_TOKENS,
  max_tokens: FinishReason.MAX_TOKENS,
  content_filter: FinishReason.CONTENT_FILTER,
});

function toSlot(type: string, event: WireResponseEvent): Slot | undefined {
  switch (type) {
    case "response.refusal.delta":
      return { kind: "refusal", position: position(event.content_index) };
    case "response.reasoning_summary_text.delta":
      return { kind: "summary", position: position(event.summary_index) };
    case "response.reasoning_text.delta":
      return { kind: "reasoning", position: position(event.content_index) };
    case "response.function_call_arguments.delta":
    case "response.custom_tool_call_input.delta":
      return { kind: "arguments" };
    default:
      return undefined;
  }
}

function position(value: unknown): number {
  return asNumber(value) ?? 0;
}
