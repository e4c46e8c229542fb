import { asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";

type Detail = Record<string, unknown>;

/**
 * `reasoning_details` of OpenRouter and Vercel: the reasoning with its signatures and ciphertext, which has to be sent back as
 * it came. In a stream the pieces of one detail share index and type; text grows, the rest is set.
 * https://openrouter.ai/docs/use-cases/reasoning-tokens
 */
export interface ReasoningDetails {
  /** `isWhole`: an unary answer, where every entry is complete. Returns the text that the entries add. */
  add(entries: readonly unknown[], isWhole: boolean): string;
  readonly isEmpty: boolean;
  /** Whether the first entry is a summary rather than the reasoning. */
  readonly isSummary: boolean;
  toJson(): string;
}

export function createReasoningDetails(): ReasoningDetails {
  return new DetailList();
}

class DetailList implements ReasoningDetails {
  readonly #details: Detail[] = [];

  add(entries: readonly unknown[], isWhole: boolean): string {
    let text = "";
    for (const item of entries) {
      const entry = asObject(item);
      if (entry === undefined) continue;
      this.#merge(entry, isWhole);
      text += asString(entry["text"]) ?? asString(entry["summary"]) ?? "";
    }
    return text;
  }

  get isEmpty(): boolean {
    return this.#details.length === 0;
  }

  get isSummary(): boolean {
    return this.#details[0]?.["type"] === "reasoning.summary";
  }

  toJson(): string {
    return JSON.stringify(this.#details);
  }

  #merge(entry: JsonRecord, isWhole: boolean): void {
    const open = isWhole ? undefined : this.#details.findLast((detail) => isSame(detail, entry));
    if (open === undefined) {
      this.#details.push({ ...entry });
      return;
    }
    grow(open, entry);
  }
}

function isSame(detail: JsonRecord, entry: JsonRecord): boolean {
  const index = asNumber(entry["index"]);
  if (index === undefined || detail["index"] !== index || detail["type"] !== entry["type"]) return false;
  const id = asString(entry["id"]);
  return id === undefined || asString(detail["id"]) === undefined || detail["id"] === id;
}

function grow(open: Detail, entry: JsonRecord): void {
  for (const [name, value] of Object.entries(entry)) {
    if (value === null || value === undefined) continue;
    const grows = name === "text" || name === "summary";
    open[name] = grows ? `${asString(open[name]) ?? ""}${asString(value) ?? ""}` : value;
  }
}
