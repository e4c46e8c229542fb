// RECOVERY_MODE_CONTINUE: the next target goes on from the text so far, and nothing that was sent is withdrawn.
import { create } from "@bufbuild/protobuf";
import { type Citation, type CompleteRequest, MessageSchema, type Part, PartSchema, Role } from "../contract.ts";
import type { StreamEvent } from "../domain/stream-event.ts";

/** The request that asks a target to go on; `undefined`: what was sent cannot be continued (tool calls, media, no text). */
export function toContinuation(request: CompleteRequest, sent: readonly Part[]): CompleteRequest | undefined {
  const texts: string[] = [];
  for (const { content } of sent) {
    if (content.case === "text") texts.push(content.value.text);
    else if (content.case !== "reasoning") return undefined;
  }
  const text = texts.join("");
  if (text.trim() === "" || sent.at(-1)?.content.case !== "text") return undefined;
  const prefill = create(MessageSchema, {
    role: Role.ASSISTANT,
    // Trailing white space in the last turn is refused by some providers; the continuation may bring it again.
    parts: [create(PartSchema, { content: { case: "text", value: { text: text.trimEnd() } } })],
  });
  return { ...request, messages: [...request.messages, prefill] };
}

/**
 * Puts the parts of a continuing attempt behind those that were sent. Its first text goes on in the last of them, unless
 * that one was said to have ended.
 */
export class ContinuedParts {
  readonly #lastIndex: number;
  readonly #lastTextBytes: number;
  readonly #indexes = new Map<number, number>();
  #next: number;
  #mayJoin: boolean;
  /** Index, in the continuing attempt, of the text that goes on. */
  #joined: number | undefined;
  /** White space that was sent and then cut from the prefill: the continuation may begin with it once more. */
  #repeatable: string;
  #droppedBytes = 0;

  constructor(sent: readonly Part[], isLastOpen: boolean) {
    const last = sent.at(-1)?.content;
    const lastText = last?.case === "text" ? last.value.text : "";
    this.#lastIndex = sent.length - 1;
    this.#lastTextBytes = Buffer.byteLength(lastText);
    this.#repeatable = isLastOpen ? lastText.slice(lastText.trimEnd().length) : "";
    this.#next = sent.length;
    this.#mayJoin = isLastOpen;
  }

  /** The event in terms of the whole stream; mostly one. */
  place(event: StreamEvent): readonly StreamEvent[] {
    if (event.kind === "parts-reset") return [event];
    if (event.kind === "part-start") return this.#start(event);
    if (event.index === this.#joined) return this.#goOn(event);
    return [{ ...event, index: this.#indexes.get(event.index) ?? event.index }];
  }

  #start(event: EventOf<"part-start">): readonly StreamEvent[] {
    const { content } = event.part;
    if (content.case === "text" && this.#mayJoin) {
      this.#mayJoin = false;
      this.#joined = event.index;
      const { text, logprobs, citations } = content.value;
      return [
        ...this.#goOn({ kind: "text-delta", index: event.index, text, logprobs }),
        ...citations.flatMap((citation) => this.#goOn({ kind: "citation-delta", index: event.index, citation })),
      ];
    }
    const index = this.#next;
    this.#next += 1;
    this.#indexes.set(event.index, index);
    return [{ ...event, index }];
  }

  #goOn(event: Exclude<StreamEvent, { kind: "part-start" | "parts-reset" }>): readonly StreamEvent[] {
    const index = this.#lastIndex;
    switch (event.kind) {
      case "text-delta": {
        const text = this.#withoutRepetition(event.text);
        const isEmpty = text === "" && (event.logprobs?.length ?? 0) === 0;
        return isEmpty ? [] : [{ ...event, index, text }];
      }
      case "citation-delta":
        return [{ ...event, index, citation: this.#shifted(event.citation) }];
      case "state-delta":
        return []; // The text is of two providers now: neither could take it back as its own.
      default:
        return [{ ...event, index }];
    }
  }

  #withoutRepetition(text: string): string {
    let repeated = 0;
    while (repeated < this.#repeatable.length && text[repeated] === this.#repeatable[repeated]) repeated += 1;
    // All of this text may be a repetition; then the next one may repeat the rest.
    this.#repeatable = repeated === text.length ? this.#repeatable.slice(repeated) : "";
    this.#droppedBytes += Buffer.byteLength(text.slice(0, repeated));
    return text.slice(repeated);
  }

  /** Positions of the continuing attempt are in its own text. */
  #shifted(citation: Citation): Citation {
    const { startByte, endByte } = citation;
    if (startByte === undefined || endByte === undefined) return citation;
    const by = this.#lastTextBytes - this.#droppedBytes;
    return { ...citation, startByte: Math.max(0, startByte + by), endByte: Math.max(0, endByte + by) };
  }
}

type EventOf<Kind extends StreamEvent["kind"]> = Extract<StreamEvent, { kind: Kind }>;
