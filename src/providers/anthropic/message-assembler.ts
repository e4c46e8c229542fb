// The state of one answer, whether it comes as a stream or whole: a whole message is read as a stream of whole blocks, so
// that both give the same parts by construction (invariant 1).
import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  FinishReason,
  PartSchema,
  SafetyAction,
  type SafetyFinding,
  SafetyFindingSchema,
  SafetySubject,
  type Usage,
} from "../../contract.ts";
import type { CompletionFacts } from "../../domain/completion.ts";
import type { StreamEvent } from "../../domain/stream-event.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { createPartTracker, type PartTracker } from "../part-tracker.ts";
import type { ReadContext } from "../provider.ts";
import { type BlockKind, blockKindOf, toPart, toState } from "./block-part.ts";
import { toCitation } from "./citation.ts";
import { toFinishReason } from "./finish-reason.ts";
import { mergeUsage, toUsage } from "./usage.ts";
import { stateProvider } from "./wire.ts";

export interface MessageAssembler {
  /** `message_start`: facts, and content that the message may already hold. */
  start(message: JsonRecord): void;
  blockStart(position: number, block: JsonRecord): void;
  blockDelta(position: number, delta: JsonRecord): void;
  blockStop(position: number): void;
  /** `message_delta`: why it ended, and the counts. */
  end(delta: JsonRecord, usage: JsonRecord | undefined, event: JsonRecord): void;
  /** Closes what is open. */
  close(): void;
  take(): readonly StreamEvent[];
  usage(): Usage | undefined;
  facts(): CompletionFacts;
}

/** Reads a message that came in one piece. */
export function readWholeMessage(assembler: MessageAssembler, message: JsonRecord): void {
  assembler.start(message);
  assembler.end({ stop_reason: message["stop_reason"], stop_details: message["stop_details"] }, undefined, {});
}

type OpenBlock = {
  readonly kind: BlockKind;
  /** Position of the part; -1 for a `whole` block, whose part begins when it ends. */
  readonly index: number;
  /** The block at its start, and for a `whole` block with its deltas. */
  block: JsonRecord;
  hasArguments: boolean;
  readonly citations: unknown[];
};

export function createMessageAssembler(context: ReadContext): MessageAssembler {
  return new Assembler(context);
}

class Assembler implements MessageAssembler {
  readonly #context: ReadContext;
  readonly #tracker: PartTracker = createPartTracker();
  readonly #open = new Map<number, OpenBlock>();
  readonly #findings: SafetyFinding[] = [];
  #usage: JsonRecord = {};
  #message: JsonRecord = {};
  #metadata: JsonRecord = {};
  #hasCalls = false;
  #hasOutput = false;

  constructor(context: ReadContext) {
    this.#context = context;
  }

  start(message: JsonRecord): void {
    // A second message_start (proxies splice answers) goes on with the blocks; its counts are the newer ones.
    this.#note(message);
    this.#usage = mergeUsage(this.#usage, asObject(message["usage"]));
    for (const [position, value] of (asArray(message["content"]) ?? []).entries()) {
      this.blockStart(position, asObject(value) ?? {});
      this.blockStop(position);
    }
  }

  blockStart(position: number, block: JsonRecord): void {
    this.blockStop(position);
    const kind = blockKindOf(block);
    const index = kind === "whole" ? -1 : this.#tracker.start(toPart(block, kind, this.#model));
    this.#open.set(position, { kind, index, block, hasArguments: false, citations: [] });
    if (kind === "tool-call") this.#hasCalls ||= block["type"] === "tool_use";
    if (kind === "output") this.#hasOutput = true;
    for (const citation of asArray(block["citations"]) ?? []) this.#cite(position, citation);
    const signature = asString(block["signature"]) ?? "";
    if (kind === "thinking" && signature !== "") this.#tracker.state(index, toState(signature));
  }

  blockDelta(position: number, delta: JsonRecord): void {
    const open = this.#open.get(position);
    if (open === undefined) return;
    if (open.kind === "whole") {
      open.block = mergeDelta(open.block, delta);
      return;
    }
    switch (delta["type"]) {
      case "text_delta":
        this.#tracker.text(open.index, asString(delta["text"]) ?? "");
        return;
      case "input_json_delta":
        this.#write(open, asString(delta["partial_json"]) ?? "");
        return;
      case "thinking_delta":
        this.#tracker.reasoning(open.index, asString(delta["thinking"]) ?? "");
        return;
      case "signature_delta":
        this.#tracker.state(open.index, toState(asString(delta["signature"]) ?? ""));
        return;
      case "citations_delta":
        this.#cite(position, delta["citation"]);
        return;
      default:
        return; // A kind of delta that is newer than this program.
    }
  }

  blockStop(position: number): void {
    const open = this.#open.get(position);
    if (open === undefined) return;
    this.#open.delete(position);
    if (open.kind === "whole") {
      this.#tracker.end(this.#tracker.start(toPart(open.block, open.kind, this.#model)));
      return;
    }
    const takesInput = open.kind === "tool-call" || open.kind === "output";
    // No delta: the block brought its input whole, or the call has no parameters.
    if (takesInput && !open.hasArguments) this.#write(open, JSON.stringify(open.block["input"] ?? {}));
    if (open.citations.length > 0) this.#tracker.state(open.index, toState(JSON.stringify(open.citations)));
    this.#tracker.end(open.index);
  }

  end(delta: JsonRecord, usage: JsonRecord | undefined, event: JsonRecord): void {
    this.#usage = mergeUsage(this.#usage, usage);
    const { delta: _, usage: __, type: ___, ...rest } = event;
    this.#note({ ...rest, ...delta });
    const details = asObject(delta["stop_details"]);
    if (delta["stop_reason"] === "refusal" && details !== undefined) this.#refuse(details);
  }

  close(): void {
    for (const position of this.#open.keys()) this.blockStop(position);
    this.#tracker.endAll();
  }

  take(): readonly StreamEvent[] {
    return this.#tracker.take();
  }

  usage(): Usage | undefined {
    return toUsage(this.#usage);
  }

  facts(): CompletionFacts {
    const word = asString(this.#message["stop_reason"]) ?? "";
    // The call of the tool that stands in for a schema is the answer itself, nothing for the caller to execute.
    const isAnswered = word === "tool_use" && this.#hasOutput && !this.#hasCalls;
    return {
      finishReason: isAnswered ? FinishReason.STOP : toFinishReason(word),
      providerFinishReason: word,
      stopSequence: asString(this.#message["stop_sequence"]) ?? "",
      usage: this.usage(),
      responseModel: asString(this.#message["model"]) ?? "",
      providerResponseId: asString(this.#message["id"]) ?? "",
      serviceTier: asString(this.#usage["service_tier"]) ?? "",
      safetyFindings: this.#findings,
      warnings: [],
      providerMetadata: this.#context.includeProviderMetadata ? this.#toMetadata() : {},
    };
  }

  /** What the API says wins: the name in the config may be a proxy's own. */
  get #model(): string {
    return asString(this.#message["model"]) ?? this.#context.model;
  }

  #write(open: OpenBlock, json: string): void {
    if (json === "") return;
    open.hasArguments = true;
    if (open.kind === "output") this.#tracker.text(open.index, json);
    else this.#tracker.arguments(open.index, json);
  }

  #cite(position: number, citation: unknown): void {
    const open = this.#open.get(position);
    if (open?.kind !== "text") return;
    open.citations.push(citation);
    this.#tracker.citation(open.index, toCitation(citation));
  }

  /** The explanation is the API's own, given instead of an answer ("Handling stop reasons", "refusal"). */
  #refuse(details: JsonRecord): void {
    const category = asString(details["category"]) ?? "";
    const text = asString(details["explanation"]) ?? "";
    const part = create(PartSchema, { content: { case: "refusal", value: { text, category } } });
    if (text !== "" || category !== "") this.#tracker.end(this.#tracker.start(part));
    this.#findings.push(
      create(SafetyFindingSchema, {
        source: stateProvider,
        category,
        subject: SafetySubject.UNSPECIFIED,
        action: SafetyAction.BLOCKED,
      }),
    );
  }

  #note(facts: JsonRecord): void {
    for (const [name, value] of Object.entries(facts)) {
      if (value === null || ignoredFacts.has(name)) continue;
      if (namedFacts.has(name)) this.#message = { ...this.#message, [name]: value };
      else this.#metadata = { ...this.#metadata, [name]: value };
    }
  }

  #toMetadata(): Record<string, JsonObject> {
    const facts = { ...this.#metadata, usage: this.#usage };
    return isJsonObject(facts) ? { [stateProvider]: facts } : {};
  }
}

/** Facts with a field of their own in the contract. */
const namedFacts: ReadonlySet<string> = new Set(["id", "model", "stop_reason", "stop_sequence"]);

const ignoredFacts: ReadonlySet<string> = new Set(["type", "role", "content", "usage"]);

/** Members that came with `JSON.parse` are JSON. */
function isJsonObject(value: JsonRecord): value is JsonObject {
  return typeof value === "object";
}

/** Strings grow the member of the same name; anything else replaces it: the rule of all delta kinds known so far. */
function mergeDelta(block: JsonRecord, delta: JsonRecord): JsonRecord {
  let merged = block;
  for (const [name, value] of Object.entries(delta)) {
    if (name === "type") continue;
    const before = merged[name];
    merged = { ...merged, [name]: typeof before === "string" && typeof value === "string" ? before + value : value };
  }
  return merged;
}
