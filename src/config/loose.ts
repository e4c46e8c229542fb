// Reading a file whose shape is not yet known to be right: nothing here throws, and what is not there is `undefined`. The
// cross checks use it, so that a wrong duration in one section does not hide a wrong reference in another.
import type { ConfigPath } from "./problems.ts";

/** A value of the file, and where it stands. */
export type Loose = { readonly value: unknown; readonly path: ConfigPath };

/** What stands under `keys`, one below the other. */
export function at(from: Loose, ...keys: readonly string[]): Loose {
  return keys.reduce<Loose>(
    ({ value, path }, key) => ({
      value: isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined,
      path: [...path, key],
    }),
    from,
  );
}

/** The entries of a list; none when it is no list. */
export function entries(from: Loose): readonly Loose[] {
  return Array.isArray(from.value)
    ? from.value.map((value: unknown, index) => ({ value, path: [...from.path, index] }))
    : [];
}

/** The text that stands there; `undefined` when it is something else. */
export function textOf(from: Loose): string | undefined {
  return typeof from.value === "string" ? from.value : undefined;
}

/** The keys of a map; none when it is no map. */
export function keysOf(from: Loose): readonly string[] {
  return isRecord(from.value) ? Object.keys(from.value) : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
