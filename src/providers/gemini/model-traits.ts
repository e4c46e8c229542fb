// What a Gemini model accepts, read from its name (ai.google.dev/gemini-api/docs/thinking).

export type ModelTraits = {
  /** `budget`: `thinkingBudget` (2.5). `level`: `thinkingLevel` (3 and later). */
  readonly thinking: "none" | "budget" | "level";
  /** Least budget or level: the larger models cannot stop thinking. */
  readonly thinkingBudgetMin: number;
  readonly thinkingBudgetMax: number;
  readonly thinkingLevelMin: "MINIMAL" | "LOW";
  /** A function call in the history without its thought signature is refused ("Thought signatures", Gemini 3). */
  readonly needsSignatures: boolean;
  /** Functions and Google's own tools are taken in one request (Gemini 3, "Tool combination"). */
  readonly mixesTools: boolean;
};

/** A name that we cannot read is likelier a new model than an old one. */
export function traitsOf(model: string): ModelTraits {
  const [, major, minor = "0"] = /gemini-(\d+)(?:[.-](\d)(?!\d))?/.exec(model) ?? [];
  const isLarge = /-pro|-ultra/.test(model);
  const version = major === undefined ? 30 : Number(major) * 10 + Number(minor);
  return {
    thinking: thinkingOf(version),
    thinkingBudgetMin: isLarge ? 128 : 0,
    thinkingBudgetMax: isLarge ? 32_768 : 24_576,
    thinkingLevelMin: isLarge ? "LOW" : "MINIMAL",
    needsSignatures: version >= 30,
    mixesTools: version >= 30,
  };
}

function thinkingOf(version: number): ModelTraits["thinking"] {
  if (version >= 30) return "level";
  return version >= 25 ? "budget" : "none";
}
