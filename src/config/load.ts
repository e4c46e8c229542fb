// Text → `Config`, or every problem at once: syntax with its line, then in one pass the shape of each section and what
// holds between sections. Nothing of the file's values stands in a problem.
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type ErrorCode, LineCounter, parseDocument, type YAMLError } from "yaml";
import type { ProviderSettings } from "../providers/provider.ts";
import type { Config } from "./config.ts";
import { crossCheck } from "./cross-check.ts";
import { limits } from "./defaults.ts";
import { type Finding, toFindings, toMessage } from "./explain.ts";
import { locate } from "./locate.ts";
import { at, entries, type Loose, textOf } from "./loose.ts";
import { type ConfigProblem, ConfigProblems, formatPath } from "./problems.ts";
import { configSchema, type KnownNames } from "./schema.ts";
import { toConfig } from "./to-config.ts";

export type LoadOptions = KnownNames & {
  /** One sentence when the CEL expression of a rule is not valid. Absent: not checked. */
  readonly checkRule?: ((expression: string) => Promise<string | undefined>) | undefined;
  /** Keys, e.g. "cluster" or "models[].retry.hedge_delay", that the format has and this gateway cannot serve: refused unless they say nothing. */
  readonly unavailable?: readonly string[] | undefined;
  /** One sentence when a provider cannot be made of its settings. Absent: not checked. */
  readonly checkProvider?: ((settings: ProviderSettings) => Promise<string | undefined>) | undefined;
};

/** Reads and checks the operator's file. Rejects with `ConfigProblems`. */
export async function loadConfig(path: string, options: LoadOptions): Promise<Config> {
  return parseConfig(readText(path), path, options);
}

/** As `loadConfig`, with the text given; `path` names it in problems, and its folder is where relative paths begin. */
export async function parseConfig(text: string, path: string, options: LoadOptions): Promise<Config> {
  const baseDir = dirname(resolve(path));
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) throw problemsOf(faults.map((fault) => toSyntaxProblem(fault, path, lines)));

  const raw = withoutEmpty(toPlain(document, path), path);
  const parsed = configSchema(options).safeParse(raw, { error: toMessage });
  const ruleProblems = await checkRules(raw, options);
  const config = parsed.success ? toConfig(parsed.data, baseDir) : undefined;
  const findings = [
    ...(parsed.success ? [] : toFindings(parsed.error.issues)),
    ...checkAvailable(raw, options),
    ...crossCheck(
      { value: raw, path: [] },
      {
        isReadableFile: (file) => isReadableFile(resolve(baseDir, file)),
        checkRule: (expression) => ruleProblems.get(expression),
      },
    ),
  ];
  if (config !== undefined && findings.length === 0) findings.push(...(await checkProviders(config, options)));
  if (config !== undefined && findings.length === 0) return config;
  throw problemsOf(
    findings.map((found) => ({
      file: path,
      ...locate(document, lines, found.path, found.atKey),
      path: formatPath(found.path),
      message: found.message,
    })),
  );
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > limits.fileBytesMax) throw wholeFileProblem(path, `is larger than ${limits.fileBytesMax} bytes`);
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof ConfigProblems) throw error;
    if (error instanceof TypeError) throw wholeFileProblem(path, "is not UTF-8 text");
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw wholeFileProblem(path, readFailures[code] ?? `cannot be read (${code})`);
  }
}

const readFailures: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "cannot be read: permission denied",
  EISDIR: "is a folder, not a file",
  ENOTDIR: "there is no such file",
};

function toPlain(document: ReturnType<typeof parseDocument>, path: string): unknown {
  try {
    const plain: unknown = document.toJS({ maxAliasCount: limits.aliasesMax });
    return plain ?? {};
  } catch (error) {
    // The parser found no fault; what is left is aliases that stand for too much.
    if (error instanceof Error) throw wholeFileProblem(path, "has aliases that stand for too much");
    throw error;
  }
}

/** A key with nothing after it counts as not written: `keys:` with every line below it commented out. */
function withoutEmpty(value: unknown, file: string, depth = 0): unknown {
  // Also where an alias that holds itself ends.
  if (depth > limits.depthMax) throw wholeFileProblem(file, `is nested deeper than ${limits.depthMax} levels`);
  if (Array.isArray(value)) return value.map((entry) => withoutEmpty(entry, file, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]) =>
      entry === null ? [] : [[key, withoutEmpty(entry, file, depth + 1)]],
    ),
  );
}

/** What is wrong with each expression that stands in a rule. */
async function checkRules(raw: unknown, options: LoadOptions): Promise<ReadonlyMap<string, string | undefined>> {
  const { checkRule } = options;
  if (checkRule === undefined) return new Map();
  const rules = entries(at({ value: raw, path: [] }, "rules")).slice(0, limits.rulesMax);
  const expressions = rules.flatMap((rule) => textOf(at(rule, "when")) ?? []);
  return new Map(await Promise.all(expressions.map(async (text) => [text, await checkRule(text)] as const)));
}

function checkAvailable(raw: unknown, options: LoadOptions): readonly Finding[] {
  const places = (options.unavailable ?? []).flatMap((name) => placesOf({ value: raw, path: [] }, name.split(".")));
  return places
    .filter(({ value }) => value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(({ path }) => ({ path, message: "is not available in this version; leave it out", atKey: false }));
}

/** Every place that the steps name; a step that ends in "[]" names each entry of a list. */
function placesOf(from: Loose, [step, ...rest]: readonly string[]): readonly Loose[] {
  if (step === undefined) return [from];
  if (!step.endsWith("[]")) return placesOf(at(from, step), rest);
  return entries(at(from, step.slice(0, -2))).flatMap((entry) => placesOf(entry, rest));
}

async function checkProviders(config: Config, { checkProvider }: LoadOptions): Promise<readonly Finding[]> {
  if (checkProvider === undefined) return [];
  const messages = await Promise.all(config.providers.map(({ settings }) => checkProvider(settings)));
  return messages.flatMap((message, index) =>
    message === undefined ? [] : [{ path: ["providers", index], message, atKey: false }],
  );
}

function isReadableFile(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false; // Whatever the reason, the file cannot be used; the problem says so.
  }
}

function wholeFileProblem(file: string, message: string): ConfigProblems {
  return new ConfigProblems([{ file, line: 0, column: 0, path: "", message }]);
}

/** In the order of the file, the same thing once, and no more than a person reads. */
function problemsOf(problems: readonly ConfigProblem[]): ConfigProblems {
  const unique = new Map(problems.map((problem) => [`${problem.path}\n${problem.message}\n${problem.line}`, problem]));
  const ordered = [...unique.values()].sort((one, other) => one.line - other.line || one.column - other.column);
  const shown = ordered.slice(0, limits.problemsMax);
  const hidden = ordered.length - shown.length;
  const last = ordered[0];
  if (hidden === 0 || last === undefined) return new ConfigProblems(shown);
  return new ConfigProblems([
    ...shown,
    { ...last, line: 0, column: 0, path: "", message: `and ${hidden} more problems` },
  ]);
}

/** In our words: the parser's own quote the text, which may hold a secret. */
function toSyntaxProblem(fault: YAMLError, file: string, lines: LineCounter): ConfigProblem {
  const { line, col } = lines.linePos(fault.pos[0]);
  return { file, line, column: col, path: "", message: syntaxMessages[fault.code] };
}

const syntaxMessages = {
  ALIAS_PROPS: "not valid YAML: an alias takes no anchor and no tag",
  BAD_ALIAS: "not valid YAML: the alias is malformed",
  BAD_COLLECTION_TYPE: "not valid YAML: the tag does not fit what it stands before",
  BAD_DIRECTIVE: "not valid YAML: unknown directive",
  BAD_DQ_ESCAPE: "not valid YAML: unknown escape in a double-quoted text",
  BAD_INDENT: "not valid YAML: the indentation does not fit the lines above",
  BAD_PROP_ORDER: "not valid YAML: anchors and tags stand before the value",
  BAD_SCALAR_START: "not valid YAML: a plain text cannot begin with this character; put it in quotes",
  BLOCK_AS_IMPLICIT_KEY:
    "not valid YAML: a key and its map do not fit on one line like this; is a line break or a quote missing?",
  BLOCK_IN_FLOW: "not valid YAML: an indented list or map cannot stand inside { } or [ ]",
  DUPLICATE_KEY: "this key stands twice in its map",
  IMPOSSIBLE: "not valid YAML",
  KEY_OVER_1024_CHARS: "not valid YAML: a key is at most 1024 characters long",
  MISSING_CHAR: "not valid YAML: a character is missing here, such as a closing quote, a bracket, a comma or a space",
  MULTILINE_IMPLICIT_KEY: "not valid YAML: a key must stand on one line; is a colon or a quote missing?",
  MULTIPLE_ANCHORS: "not valid YAML: a value takes one anchor",
  MULTIPLE_DOCS: "holds more than one document; remove the --- line",
  MULTIPLE_TAGS: "not valid YAML: a value takes one tag",
  NON_STRING_KEY: "not valid here: a key must be text",
  RESOURCE_EXHAUSTION: "not valid here: nested too deep",
  TAB_AS_INDENT: "not valid YAML: indent with spaces, not with tabs",
  TAG_RESOLVE_FAILED: "not valid here: unknown tag",
  UNEXPECTED_TOKEN: "not valid YAML: this is not expected here; is something above it not closed, or not indented?",
} as const satisfies Record<ErrorCode, string>;
