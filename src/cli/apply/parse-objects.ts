// The file of `llm-gateway apply`: lists of the contract's own messages, in YAML, under the names of the contract.
import { type DescMessage, fromJson, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import { parseDocument } from "yaml";
import { isObject } from "../../admin/stored-json.ts";
import { adminBudgets, adminKeys, adminRoutes } from "../../contract.ts";
import { CommandError } from "../command-error.ts";

export type WantedKey = {
  readonly key: adminKeys.Key;
  /** SHA-256 of a secret that its owner has made; "": the gateway makes one when it creates the key. */
  readonly secretSha256: string;
};

export type WantedObjects = {
  readonly budgets: readonly adminBudgets.Budget[];
  readonly routes: readonly adminRoutes.Route[];
  readonly keys: readonly WantedKey[];
};

const limits = { fileLengthMax: 16 << 20, aliasesMax: 100 } as const;
const sections: readonly string[] = ["budgets", "routes", "keys"];

/** Throws `CommandError` naming the entry that is wrong; the message never has a secret. */
export function parseObjects(text: string, file: string): WantedObjects {
  const root = parseYaml(text, file);
  const unknown = Object.keys(root).find((name) => !sections.includes(name));
  if (unknown !== undefined) throw wrong(file, `"${unknown}" is not one of ${sections.join(", ")}`);
  const budgets = entriesOf(root, "budgets", file).map((entry) => parse(adminBudgets.BudgetSchema, entry));
  const routes = entriesOf(root, "routes", file).map((entry) => parse(adminRoutes.RouteSchema, entry));
  const keys = entriesOf(root, "keys", file).map(parseKey);
  assertNamed(
    "budgets",
    budgets.map(({ budgetId }) => budgetId),
    file,
  );
  assertNamed(
    "routes",
    routes.map(({ routeId }) => routeId),
    file,
  );
  assertNamed(
    "keys",
    keys.map(({ key }) => key.keyId),
    file,
  );
  return { budgets, routes, keys };
}

type Entry = { readonly where: string; readonly json: Readonly<Record<string, unknown>> };

function parseYaml(text: string, file: string): Readonly<Record<string, unknown>> {
  if (text.length > limits.fileLengthMax) throw wrong(file, "is too long");
  const document = parseDocument(text, { prettyErrors: false });
  const [problem] = document.errors;
  if (problem !== undefined) throw wrong(file, `is no YAML: ${problem.code}`);
  const root: unknown = document.toJS({ maxAliasCount: limits.aliasesMax });
  if (root === null) return {};
  if (!isObject(root)) throw wrong(file, `must have the sections ${sections.join(", ")}`);
  return root;
}

function entriesOf(root: Readonly<Record<string, unknown>>, section: string, file: string): readonly Entry[] {
  const list: unknown = root[section] ?? [];
  if (!Array.isArray(list)) throw wrong(file, `${section} must be a list`);
  return list.map((json: unknown, index) => {
    const where = `${file}: ${section}[${index}]`;
    if (!isObject(json)) throw new CommandError(`${where} must be an object`, { exitCode: 2 });
    return { where, json };
  });
}

function parse<Desc extends DescMessage>(schema: Desc, { where, json }: Entry): MessageShape<Desc> {
  try {
    return fromJson(schema, json as JsonValue);
  } catch (error) {
    const message = error instanceof Error ? error.message : "cannot be read";
    throw new CommandError(`${where}: ${message}`, { exitCode: 2 });
  }
}

function parseKey({ where, json }: Entry): WantedKey {
  const { secret_sha256: digest = "", ...key } = json;
  if (typeof digest !== "string" || !/^([0-9a-f]{64})?$/.test(digest)) {
    throw new CommandError(`${where}: secret_sha256 must be 64 hex digits in lower case`, { exitCode: 2 });
  }
  return { key: parse(adminKeys.KeySchema, { where, json: key }), secretSha256: digest };
}

/** Without an id of its own an object could not be found again. */
function assertNamed(section: string, ids: readonly string[], file: string): void {
  ids.forEach((id, index) => {
    if (id === "") throw wrong(file, `${section}[${index}] needs an id`);
    if (ids.indexOf(id) !== index) throw wrong(file, `${section}[${index}]: ${id} stands twice`);
  });
}

function wrong(file: string, problem: string): CommandError {
  return new CommandError(`${file}: ${problem}`, { exitCode: 2 });
}
