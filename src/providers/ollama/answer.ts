// The state of one answer. A whole answer is a stream of one line, so that both give the same parts by construction
// (invariant 1).
import { create, type JsonObject } from "@bufbuild/protobuf";
import { OpaqueStateSchema, PartSchema, ReasoningKind, type Usage } from "../../contract.ts";
import type { CompletionFacts } from "../../domain/completion.ts";
import type { StreamEvent } from "../../domain/stream-event.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { toFailureInside } from "../compatible/failure.ts";
import { toTokenLogprobs } from "../compatible/logprobs.ts";
import { createPartTracker } from "../part-tracker.ts";
import type { ReadContext } from "../provider.ts";
import { toFinishReason } from "./finish-reason.ts";
import { toUsage } from "./usage.ts";
import { ollamaName } from "./wire.ts";

export class Answer {
  readonly #context: ReadContext;
  readonly #parts = createPartTracker();
  #reasoning: number | undefined;
  #text: number | undefined;
  #calls = 0;
  #model = "";
  #end: JsonRecord | undefined;

  constructor(context: ReadContext) {
    this.#context = context;
  }

  /** The line with the counts was read. */
  get isFinished(): boolean {
    return this.#end !== undefined;
  }

  /** One JSON object of the stream, or the whole answer. Throws `ProviderFailure` when it is an error. */
  read(line: JsonRecord): readonly StreamEvent[] {
    if (line["error"] !== undefined && line["error"] !== null) throw toFailureInside(line);
    if (this.#model === "") this.#model = asString(line["model"]) ?? "";
    const message = asObject(line["message"]) ?? {};
    this.#readThinking(asString(message["thinking"]) ?? "");
    this.#readText(asString(message["content"]) ?? "", line["logprobs"]);
    for (const call of asArray(message["tool_calls"]) ?? []) this.#readCall(asObject(call) ?? {});
    if (line["done"] === true) this.#end = line;
    return this.#parts.take();
  }

  finish(): { readonly events: readonly StreamEvent[]; readonly facts: CompletionFacts } {
    this.#parts.endAll();
    return { events: this.#parts.take(), facts: this.#toFacts() };
  }

  usage(): Usage | undefined {
    return toUsage(this.#end ?? {});
  }

  #toFacts(): CompletionFacts {
    const word = asString(this.#end?.["done_reason"]) ?? "";
    return {
      finishReason: toFinishReason(word, this.#calls > 0),
      providerFinishReason: word,
      stopSequence: "",
      usage: this.usage(),
      responseModel: this.#model,
      providerResponseId: "", // The API gives none.
      serviceTier: "",
      safetyFindings: [],
      warnings: [],
      providerMetadata: this.#context.includeProviderMetadata ? this.#toMetadata() : {},
    };
  }

  #readThinking(piece: string): void {
    if (piece === "") return;
    // The state names where it came from, so that the next turn does not carry it to another provider.
    this.#reasoning ??= this.#parts.start(
      create(PartSchema, {
        content: { case: "reasoning", value: { kind: ReasoningKind.FULL } },
        state: create(OpaqueStateSchema, { provider: ollamaName }),
      }),
    );
    this.#parts.reasoning(this.#reasoning, piece);
  }

  /** "" comes with each piece of thinking and with each call: not yet the answer. */
  #readText(piece: string, logprobs: unknown): void {
    const tokens = asArray(logprobs);
    if (piece === "" && (this.#text === undefined || tokens === undefined)) return;
    this.#text ??= this.#parts.start(create(PartSchema, { content: { case: "text", value: {} } }));
    this.#parts.text(this.#text, piece, tokens === undefined ? undefined : toTokenLogprobs(tokens));
  }

  /** Always whole; with an id since 0.12. */
  #readCall(call: JsonRecord): void {
    const body = asObject(call["function"]) ?? {};
    const callId = asString(call["id"]) || `${this.#context.callIdSeed}${this.#calls}`;
    const value = { callId, name: asString(body["name"]) ?? "" };
    this.#calls += 1;
    const index = this.#parts.start(create(PartSchema, { content: { case: "toolCall", value } }));
    this.#parts.arguments(index, toArguments(body["arguments"]));
    this.#parts.end(index);
  }

  /** Durations, in nanoseconds. */
  #toMetadata(): Record<string, JsonObject> {
    const durations = Object.entries(this.#end ?? {}).flatMap(([name, value]) =>
      name.endsWith("_duration") && typeof value === "number" ? [[name, value] as const] : [],
    );
    return durations.length > 0 ? { [ollamaName]: Object.fromEntries(durations) } : {};
  }
}

/** An object; text from servers that pass on what a template made. */
function toArguments(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(asObject(value) ?? {});
}
