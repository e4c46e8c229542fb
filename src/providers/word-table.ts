/**
 * A table from a provider's or a caller's words to what they mean. Unlike an object literal it holds its own rows only:
 * the words "constructor" and "__proto__" have no row, so that nothing of JavaScript's own takes the place of a meaning.
 */
export function wordTable<Value>(rows: Readonly<Record<string, Value>>): Readonly<Record<string, Value>> {
  const empty: Record<string, Value> = Object.create(null);
  return Object.assign(empty, rows);
}
