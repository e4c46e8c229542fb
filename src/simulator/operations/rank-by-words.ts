export type Ranked = { readonly index: number; readonly score: number };

/** Documents by the share of the query's words that they hold, best first; of equals the earlier one first. */
export function rankByWords(query: string, documents: readonly string[], topN: number | undefined): readonly Ranked[] {
  const wanted = wordsOf(query);
  const ranked = documents.map((document, index) => {
    const words = wordsOf(document);
    const found = [...wanted].filter((word) => words.has(word)).length;
    return { index, score: wanted.size === 0 ? 0 : found / wanted.size };
  });
  return ranked
    .sort((left, right) => right.score - left.score || left.index - right.index)
    .slice(0, topN ?? ranked.length);
}

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
}
