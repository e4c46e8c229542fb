// The bookkeeping that every stream reader needs: positions of parts, which are open, and text cut inside a code point.
// A reader calls these methods while it looks at one wire event, then hands out what `take` gives.
import type { Citation, OpaqueState, Part, TokenLogprob } from "../contract.ts";
import type { JsonFacts } from "../domain/contract-types.ts";
import type { StreamEvent } from "../domain/stream-event.ts";

/** Collects the events of one stream and keeps its laws: dense indexes, no empty delta, whole code points, one end a part. */
export interface PartTracker {
  /** Begins a part; returns its index. The part may already hold text, which is then not repeated as a delta. */
  start(part: Part): number;
  text(index: number, text: string, logprobs?: readonly TokenLogprob[]): void;
  reasoning(index: number, text: string): void;
  arguments(index: number, json: string): void;
  data(index: number, data: Uint8Array): void;
  citation(index: number, citation: Citation): void;
  state(index: number, state: OpaqueState): void;
  metadata(index: number, entries: JsonFacts): void;
  /** Ends a part; a second end is ignored, since providers repeat theirs. */
  end(index: number): void;
  /** Ends whatever is open, in order. */
  endAll(): void;
  isOpen(index: number): boolean;
  /** Parts begun so far. */
  readonly count: number;
  /** Events since the last `take`. */
  take(): readonly StreamEvent[];
}

type Growing = "text" | "reasoning" | "arguments";

type Held = { readonly kind: Growing; readonly half: string };

export function createPartTracker(): PartTracker {
  return new Tracker();
}

/** A class, since one is made for each answer: a dozen closures would be, too. */
class Tracker implements PartTracker {
  #events: StreamEvent[] = [];
  readonly #open: boolean[] = [];
  /** First half of a surrogate pair, by part. Rare: some servers cut their text between UTF-16 units. */
  #held: Map<number, Held> | undefined;

  start(part: Part): number {
    const index = this.#open.length;
    this.#open.push(true);
    this.#events.push({ kind: "part-start", index, part });
    return index;
  }

  text(index: number, text: string, logprobs?: readonly TokenLogprob[]): void {
    this.#grow("text", index, text, logprobs);
  }

  reasoning(index: number, text: string): void {
    this.#grow("reasoning", index, text);
  }

  arguments(index: number, json: string): void {
    this.#grow("arguments", index, json);
  }

  data(index: number, data: Uint8Array): void {
    if (data.length > 0) this.#events.push({ kind: "data-delta", index, data });
  }

  citation(index: number, citation: Citation): void {
    this.#events.push({ kind: "citation-delta", index, citation });
  }

  state(index: number, state: OpaqueState): void {
    this.#events.push({ kind: "state-delta", index, state });
  }

  metadata(index: number, entries: JsonFacts): void {
    this.#events.push({ kind: "metadata-delta", index, entries });
  }

  end(index: number): void {
    if (this.#open[index] !== true) return;
    this.#open[index] = false;
    const rest = this.#held?.get(index);
    this.#held?.delete(index);
    // Half a code point that never got its other half: say so with the replacement character, as UTF-8 would.
    if (rest !== undefined) this.#events.push(toDelta(rest.kind, index, rest.half.toWellFormed()));
    this.#events.push({ kind: "part-end", index });
  }

  endAll(): void {
    for (let index = 0; index < this.#open.length; index++) this.end(index);
  }

  isOpen(index: number): boolean {
    return this.#open[index] === true;
  }

  get count(): number {
    return this.#open.length;
  }

  take(): readonly StreamEvent[] {
    if (this.#events.length === 0) return noEvents;
    const taken = this.#events;
    this.#events = [];
    return taken;
  }

  #grow(kind: Growing, index: number, piece: string, logprobs?: readonly TokenLogprob[]): void {
    const isWhole = (this.#held === undefined || this.#held.size === 0) && piece.isWellFormed();
    const whole = isWhole ? piece : this.#takeWhole(kind, index, piece);
    if (whole.length > 0 || (logprobs !== undefined && logprobs.length > 0)) {
      this.#events.push(toDelta(kind, index, whole, logprobs));
    }
  }

  #takeWhole(kind: Growing, index: number, piece: string): string {
    this.#held ??= new Map();
    const held = this.#held;
    const joined = (held.get(index)?.half ?? "") + piece;
    held.delete(index);
    if (!endsInHighSurrogate(joined)) return joined.toWellFormed();
    held.set(index, { kind, half: joined.slice(-1) });
    return joined.slice(0, -1).toWellFormed();
  }
}

const noEvents: readonly StreamEvent[] = [];

function toDelta(kind: Growing, index: number, piece: string, logprobs?: readonly TokenLogprob[]): StreamEvent {
  if (kind === "text") return { kind: "text-delta", index, text: piece, logprobs };
  return kind === "reasoning"
    ? { kind: "reasoning-delta", index, text: piece }
    : { kind: "arguments-delta", index, json: piece };
}

function endsInHighSurrogate(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}
