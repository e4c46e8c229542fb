// RECOVERY_MODE_CONTINUE: the next target goes on from the text so far, and nothing that was sent is withdrawn.
import { create } from "@bufbuild/protobuf";
import { type CompleteRequest, MessageSchema, type Part, PartSchema, Role } from "../contract.ts";
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
    // Trailing white space in the last turn is refused by some providers; the continuation brings its own.
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
  readonly #indexes = new Map<number, number>();
  #next: number;
  #mayJoin: boolean;

  /** `sent`: number of parts that were sent. */
  constructor(sent: number, isLastOpen: boolean) {
    this.#lastIndex = sent - 1;
    this.#next = sent;
    this.#mayJoin = isLastOpen;
  }

  /** The event in terms of the whole stream; `undefined`: nothing is left of it. */
  place(event: StreamEvent): StreamEvent | undefined {
    if (event.kind === "parts-reset") return event;
    if (event.kind === "part-start") return this.#start(event);
    return { ...event, index: this.#indexes.get(event.index) ?? event.index };
  }

  #start(event: Extract<StreamEvent, { kind: "part-start" }>): StreamEvent | undefined {
    const { content } = event.part;
    if (content.case === "text" && this.#mayJoin) {
      this.#mayJoin = false;
      this.#indexes.set(event.index, this.#lastIndex);
      const { text } = content.value;
      return text === "" ? undefined : { kind: "text-delta", index: this.#lastIndex, text };
    }
    const index = this.#next;
    this.#next += 1;
    this.#indexes.set(event.index, index);
    return { ...event, index };
  }
}
