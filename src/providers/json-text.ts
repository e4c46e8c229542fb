// The border between what a provider sent and our types: parse once, narrow field by field.

export type JsonRecord = Readonly<Record<string, unknown>>;

/** The value, or `undefined` when the text is no JSON. Spaces around it are allowed, a byte-order mark too. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch {
    return undefined; // Not JSON: for the caller to say what that means.
  }
}

/** Decodes UTF-8 and parses it; bytes that are no UTF-8 become replacement characters. */
export function parseJsonBytes(bytes: Uint8Array): unknown {
  return parseJson(decoder.decode(bytes));
}

const decoder = new TextDecoder("utf-8");

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function toRecord(value: unknown): JsonRecord | undefined {
  return isRecord(value) ? value : undefined;
}

export function toArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The string, or "" when it is absent, null or something else. */
export function toText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function toNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}
