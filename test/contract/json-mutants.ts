// Answers that are almost right: recorded JSON with one value replaced, left out or doubled.

type Path = readonly (string | number)[];

/** A place in the JSON and what is to stand there; `undefined`: nothing. */
export type Mutation = { readonly path: Path; readonly value: unknown };

const deep: unknown = JSON.parse(`${'{"a":'.repeat(2_000)}1${"}".repeat(2_000)}`);

/** What providers never send, and broken ones do. */
export const oddValues: readonly unknown[] = [
  undefined,
  null,
  -1,
  0.5,
  1e308,
  2 ** 53,
  "7",
  "",
  "{not json",
  "nul\u0000 and \ud800",
  "constructor",
  "__proto__",
  [],
  {},
  [null],
  true,
  deep,
];

/** Every place in the JSON, the root too. */
export function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Array.isArray(value)
    ? value.flatMap((item, index) => pathsOf(item, [...path, index]))
    : Object.entries(value).flatMap(([name, member]) => pathsOf(member, [...path, name]));
  return [path, ...inner];
}

/** The JSON with the mutation made, as text. */
export function mutate(json: unknown, { path, value }: Mutation): string {
  return JSON.stringify(replaced(json, path, value)) ?? "";
}

function replaced(json: unknown, [step, ...rest]: Path, value: unknown): unknown {
  if (step === undefined) return value;
  if (Array.isArray(json)) return json.map((item, index) => (index === step ? replaced(item, rest, value) : item));
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([name, member]) => [name, name === step ? replaced(member, rest, value) : member]),
  );
}
