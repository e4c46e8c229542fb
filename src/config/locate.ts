import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type LineCounter, type Pair } from "yaml";
import type { ConfigPath } from "./problems.ts";

/** Line and column from 1, of what stands at `path` or, where nothing does, of the nearest thing around it. */
export function locate(
  document: Document.Parsed,
  lines: LineCounter,
  path: ConfigPath,
  atKey: boolean,
): { readonly line: number; readonly column: number } {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    const { key, value } = childOf(isAlias(node) ? node.resolve(document) : node, step);
    const isWantedKey = atKey && depth === path.length - 1;
    offset = (isWantedKey ? startOf(key) : startOf(value)) ?? startOf(key) ?? offset;
    node = value;
  }
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function childOf(node: unknown, step: string | number): { readonly key?: unknown; readonly value?: unknown } {
  if (isMap(node)) return node.items.find((pair) => keyOf(pair) === String(step)) ?? {};
  return isSeq(node) && typeof step === "number" ? { value: node.items[step] } : {};
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
