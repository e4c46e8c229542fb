// What each provider makes of each field of a chat request: found by translating a request with the field and the same
// request without it, and comparing what goes out.
import { type Warning, WarningKind } from "../../src/contract.ts";
import type { Translation } from "../../src/providers/provider.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { isNotSent, reasonForSilence } from "./matrix-exemptions.ts";
import { contractFields } from "./matrix-fields.ts";
import { matrixProbes, type Probe } from "./matrix-probes.ts";
import type { MatrixTarget } from "./matrix-targets.ts";

/** What becomes of a field. `says`: the warning's or the refusal's words, or what the value became. */
export type Cell =
  /** The value stands in the provider's request, as it is or in the provider's own words. */
  | { readonly kind: "carried"; readonly says: string }
  /** Nothing has to be sent, for the stated reason. */
  | { readonly kind: "nothing-to-send"; readonly says: string }
  /** Changed or imitated, with a warning. */
  | { readonly kind: "approximated"; readonly says: string }
  /** Left out, with a warning. */
  | { readonly kind: "dropped"; readonly says: string }
  /** The target is passed over. */
  | { readonly kind: "refused"; readonly says: string }
  /** Neither carried nor said: what must never be. */
  | { readonly kind: "silent"; readonly says: string };

export type Column = { readonly target: MatrixTarget; readonly cells: ReadonlyMap<string, Cell> };

/** One column of the matrix: a cell for each field that has a probe. */
export function readColumn(target: MatrixTarget): Column {
  const probes = matrixProbes(target.stateName);
  return { target, cells: new Map(probes.map((probe) => [probe.field, readCell(probe, target)])) };
}

/** Fields of the contract that have neither a probe nor a stated reason to have none, and probes for no field. */
export function unaccountedFields(): readonly string[] {
  const fields = contractFields().filter((field) => !isNotSent(field));
  const probed = new Set(matrixProbes("any").map((probe) => probe.field));
  const known = new Set(fields);
  return [
    ...fields.filter((field) => !probed.has(field)),
    ...[...probed].filter((field) => !known.has(field)).map((field) => `${field}: no such field`),
  ];
}

function readCell(probe: Probe, target: MatrixTarget): Cell {
  const withField = translate(probe.withField, target);
  const without = translate(probe.without, target);
  if (withField.kind === "unsupported") {
    return { kind: "refused", says: withField.violations.map(({ description }) => description).join("; ") };
  }
  const concerning = withField.warnings.filter(
    (warning) => isAbout(warning, probe.field) && (isNew(warning, without) || isAround(warning, probe.field)),
  );
  if (concerning.length > 0) return warned(concerning);
  const before = without.kind === "request" ? sent(without) : "";
  const after = sent(withField);
  const found = probe.shows !== "translated" && probe.shows.some((value) => count(after, value) > count(before, value));
  if (found) return { kind: "carried", says: "" };
  if (probe.shows === "translated" && after !== before) {
    return { kind: "carried", says: changes(before, after) };
  }
  const reason = reasonForSilence(probe.field, target);
  return reason === undefined
    ? { kind: "silent", says: changes(before, after) }
    : { kind: "nothing-to-send", says: reason };
}

function translate(request: Probe["withField"], target: MatrixTarget): Translation {
  const { chat } = createProvider(target.settings);
  if (chat === undefined) throw new Error(`${target.name} has no chat`);
  return chat.toHttpRequest(request, "unary", { model: target.model, facts: {} });
}

type Sent = Extract<Translation, { kind: "request" }>;

/** All that goes out: address, headers and body. */
function sent({ request }: Sent): string {
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
  return [request.path, ...headers, String(request.body)].join("\n");
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

// ── Warnings ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether the warning names the field, one around it or one inside it. */
function isAbout(warning: Warning, field: string): boolean {
  const named = pathOf(warning.field);
  const probed = pathOf(field);
  return startsWith(named, probed) || startsWith(probed, named);
}

function isAround(warning: Warning, field: string): boolean {
  return startsWith(pathOf(field), pathOf(warning.field));
}

function isNew(warning: Warning, without: Translation): boolean {
  if (without.kind === "unsupported") return true;
  return !without.warnings.some(({ field, message }) => field === warning.field && message === warning.message);
}

/** "messages[0].parts[1].text" and "messages[].parts[].text=X" without positions and values. */
function pathOf(field: string): readonly string[] {
  return field
    .replace(/=.*$/, "")
    .replaceAll(/\[[^\]]*\]/g, "")
    .split(".");
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.length <= path.length && start.every((step, index) => step === path[index]);
}

function warned(warnings: readonly Warning[]): Cell {
  const isDropped = warnings.some(
    ({ kind }) => kind === WarningKind.PARAMETER_DROPPED || kind === WarningKind.STATE_DROPPED,
  );
  const says = [...new Set(warnings.map((warning) => `${kindName(warning.kind)}: ${warning.message}`))].join("; ");
  return { kind: isDropped ? "dropped" : "approximated", says };
}

function kindName(kind: WarningKind): string {
  return Object.entries(WarningKind).find(([, value]) => value === kind)?.[0] ?? String(kind);
}

// ── Evidence ────────────────────────────────────────────────────────────────────────────────────────────────────────

const changesMax = 3;

/** The members of the body that the field added, changed or took away. */
function changes(before: string, after: string): string {
  const old = leavesOf(before);
  const now = leavesOf(after);
  const added = [...now].filter(([path, value]) => old.get(path) !== value).map(([path, value]) => `${path}: ${value}`);
  const gone = [...old.keys()].filter((path) => !now.has(path)).map((path) => `no ${path}`);
  const all = [...added, ...gone];
  const more = all.length > changesMax ? [`${all.length - changesMax} more`] : [];
  return [...all.slice(0, changesMax), ...more].join(", ");
}

function leavesOf(text: string): ReadonlyMap<string, string> {
  const lines = text.split("\n");
  const body = lines.at(-1) ?? "";
  const heads = lines
    .slice(1, -1)
    .map((line) => line.split(": ", 2))
    .map(([name = "", value = ""]) => [name, value] as const);
  return new Map([...heads, ...(body === "" ? [] : walk(JSON.parse(body), ""))]);
}

function walk(value: unknown, path: string): readonly (readonly [string, string])[] {
  if (typeof value !== "object" || value === null) return [[path, JSON.stringify(value)]];
  const members = Object.entries(value);
  if (members.length === 0) return [[path, JSON.stringify(value)]];
  return members.flatMap(([name, member]) => {
    const step = Array.isArray(value) ? `[${name}]` : path === "" ? name : `.${name}`;
    return walk(member, path + step);
  });
}
