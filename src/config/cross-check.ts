// What no section can know alone: references between sections, ids that stand twice, circles, files that must exist, and
// what a kind of provider needs. Reads the file loosely, so that it finds everything whatever else is wrong.
import type { Finding } from "./explain.ts";
import { type CredentialForm, kindFields, needsByKind } from "./kind-needs.ts";
import { at, entries, keysOf, type Loose, textOf } from "./loose.ts";
import { didYouMean } from "./nearest.ts";

/** What the checks ask of the world outside the file. */
export type CrossCheckWorld = {
  /** `path` as it stands in the file. */
  readonly isReadableFile: (path: string) => boolean;
  /** One sentence when the CEL expression is not valid; `undefined` when it is. */
  readonly checkRule: (expression: string) => string | undefined;
};

/** Every finding, in no particular order. */
export function crossCheck(root: Loose, world: CrossCheckWorld): readonly Finding[] {
  return [
    ...checkUniqueIds(root),
    ...checkReferences(root),
    ...checkScopes(root),
    ...entries(at(root, "providers")).flatMap(checkProvider),
    ...checkTargetIds(root),
    ...checkFallbackCycles(root),
    ...checkAmounts(root),
    ...checkCertificates(root),
    ...checkFiles(root, world),
    ...entries(at(root, "rules")).flatMap((rule) => [
      ...checkExpression(at(rule, "when"), world),
      ...checkConsequence(rule),
    ]),
  ];
}

function finding(where: Loose, message: string): Finding {
  return { path: where.path, message, atKey: false };
}

// ── Ids and references ──────────────────────────────────────────────────────────────────────────────────────────────

const idLists = [
  ["providers"],
  ["models"],
  ["rules"],
  ["tenants", "organisations"],
  ["tenants", "teams"],
  ["tenants", "projects"],
  ["keys"],
  ["budgets"],
] as const;

function checkUniqueIds(root: Loose): readonly Finding[] {
  const ids = idLists.flatMap((list) => repeated(entries(at(root, ...list)).map((entry) => at(entry, "id"))));
  const digests = repeated(
    entries(at(root, "keys"))
      .map((key) => at(key, "digest"))
      .filter((where) => textOf(where)?.startsWith("sha256:")),
  );
  return [...ids, ...digests];
}

/** Each value that stood before. Compared without case only for digests, which are hex: ids differ by case. */
function repeated(values: readonly Loose[]): readonly Finding[] {
  const firstByText = new Map<string, Loose>();
  const findings: Finding[] = [];
  for (const where of values) {
    const written = textOf(where);
    if (written === undefined) continue;
    const text = written.startsWith("sha256:") ? written.toLowerCase() : written;
    const first = firstByText.get(text);
    if (first === undefined) firstByText.set(text, where);
    else findings.push(finding(where, `stands twice: also entry ${positionOf(first)} of the list`));
  }
  return findings;
}

function positionOf(where: Loose): number {
  const index = where.path.findLast((step) => typeof step === "number");
  return (typeof index === "number" ? index : 0) + 1;
}

type Reference = { readonly where: Loose; readonly to: Loose; readonly noun: string; readonly wildcard?: boolean };

function checkReferences(root: Loose): readonly Finding[] {
  const providers = at(root, "providers");
  const models = at(root, "models");
  const organisations = at(root, "tenants", "organisations");
  const teams = at(root, "tenants", "teams");
  const projects = at(root, "tenants", "projects");
  const credentials = [...entries(at(root, "keys")), ...entries(at(root, "authentication", "mtls"))];
  const grants = [...credentials, ...entries(organisations), ...entries(teams), ...entries(projects)];
  const references: readonly Reference[] = [
    ...entries(models).flatMap((model) => [
      ...entries(at(model, "targets")).map((target) => ({
        where: at(target, "provider"),
        to: providers,
        noun: "provider",
      })),
      ...entries(at(model, "fallback_models")).map((where) => ({ where, to: models, noun: "model" })),
    ]),
    ...entries(at(root, "rules")).map((rule) => ({ where: at(rule, "model"), to: models, noun: "model" })),
    ...entries(at(root, "budgets")).map((budget) => ({
      where: at(budget, "fallback_model"),
      to: models,
      noun: "model",
    })),
    ...entries(teams).map((team) => ({ where: at(team, "organisation"), to: organisations, noun: "organisation" })),
    ...entries(projects).map((project) => ({ where: at(project, "team"), to: teams, noun: "team" })),
    ...credentials.map((credential) => ({ where: at(credential, "project"), to: projects, noun: "project" })),
    ...grants.flatMap((grant) =>
      entries(at(grant, "models")).map((where) => ({ where, to: models, noun: "model", wildcard: true })),
    ),
  ];
  const providerKinds = entries(providers).flatMap((provider) => textOf(at(provider, "kind")) ?? []);
  const servers = grants.flatMap((grant) => entries(at(grant, "providers")));
  const idsByList = new Map<string, readonly string[]>();
  return [
    ...references.flatMap(({ where, to, noun, wildcard }) => {
      const list = to.path.join(".");
      const known = idsByList.get(list) ?? idsOf(to);
      idsByList.set(list, known);
      return checkReference(where, textOf(where), known, noun, wildcard ?? false);
    }),
    ...servers.flatMap((where) =>
      checkReference(where, textOf(where), [...idsOf(providers), ...providerKinds], "provider", true),
    ),
  ];
}

function checkReference(
  where: Loose,
  id: string | undefined,
  known: readonly string[],
  noun: string,
  wildcard: boolean,
): readonly Finding[] {
  if (id === undefined || known.includes(id) || (wildcard && id === "*")) return [];
  return [finding(where, `there is no ${noun} with this id${didYouMean(id, known)}`)];
}

const listByScope: Readonly<Record<string, readonly string[]>> = {
  organisation: ["tenants", "organisations"],
  team: ["tenants", "teams"],
  project: ["tenants", "projects"],
  key: ["keys"],
};

function checkScopes(root: Loose): readonly Finding[] {
  return [...entries(at(root, "limits")), ...entries(at(root, "budgets"))].flatMap((entry) => {
    const where = at(entry, "scope");
    const [kind = "", id] = textOf(where)?.split("/") ?? [];
    const list = listByScope[kind];
    return list === undefined ? [] : checkReference(where, id, idsOf(at(root, ...list)), kind, true);
  });
}

function idsOf(list: Loose): readonly string[] {
  return entries(list).flatMap((entry) => textOf(at(entry, "id")) ?? []);
}

// ── Providers ───────────────────────────────────────────────────────────────────────────────────────────────────────

function checkProvider(provider: Loose): readonly Finding[] {
  const kind = textOf(at(provider, "kind"));
  const needs = kind === undefined ? undefined : needsByKind[kind];
  if (kind === undefined || needs === undefined) return [];
  const said = keysOf(provider);
  const missing = needs.requires
    .filter((field) => !said.includes(field))
    .map((field) => finding(at(provider, field), `is missing: kind ${kind} needs it`));
  const needless = kindFields
    .filter((field) => said.includes(field) && !needs.requires.includes(field) && !needs.takes.includes(field))
    .map((field) => finding(at(provider, field), `kind ${kind} does not take it`));
  const api = textOf(at(provider, "api"));
  const wrongApi =
    api === undefined || needs.apis.length === 0 || needs.apis.includes(api)
      ? []
      : [finding(at(provider, "api"), `must be one of ${needs.apis.join(", ")} for kind ${kind}`)];
  return [...missing, ...needless, ...wrongApi, ...checkCredentials(provider, kind, needs.credentials)];
}

const credentialForms = [
  "api_key",
  "access_token",
  "service_account",
  "access_key_id",
  "profile",
] as const satisfies readonly CredentialForm[];

function checkCredentials(provider: Loose, kind: string, allowed: readonly CredentialForm[]): readonly Finding[] {
  const where = at(provider, "credentials");
  const keys = keysOf(where);
  const forms = credentialForms.filter((form) => keys.includes(form));
  if (forms.length > 1) return [finding(where, `must be one form, not ${forms.join(" and ")} together`)];
  const awsParts = ["access_key_id", "secret_access_key"].filter((key) => keys.includes(key));
  if (awsParts.length === 1) return [finding(where, "access_key_id and secret_access_key go together")];
  if (keys.includes("session_token") && awsParts.length === 0) {
    return [finding(where, "session_token goes with access_key_id and secret_access_key")];
  }
  const form = forms[0] ?? (where.value === undefined ? "none" : textOf(where));
  // With an address of its own the server may be one that asks for no key, such as a proxy or the simulator.
  const isKeyless = form === "none" && at(provider, "base_url").value !== undefined;
  if (form === undefined || isKeyless || allowed.some((candidate) => candidate === form)) return [];
  const wanted = allowed.map(spellForm).join(" or ");
  if (form === "none") return [finding(where, `is missing: kind ${kind} needs ${wanted}`)];
  return [finding(where, `kind ${kind} takes ${wanted}`)];
}

function spellForm(form: CredentialForm): string {
  if (form === "access_key_id") return "{ access_key_id, secret_access_key }";
  return credentialForms.some((candidate) => candidate === form) ? `{ ${form} }` : form;
}

// ── Models ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function checkTargetIds(root: Loose): readonly Finding[] {
  return entries(at(root, "models")).flatMap((model) => {
    const seen = new Set<string>();
    return entries(at(model, "targets")).flatMap((target) => {
      const id = textOf(at(target, "id")) ?? `${textOf(at(target, "provider"))}/${textOf(at(target, "model"))}`;
      if (seen.has(id)) return [finding(target, "stands twice in this model: give one of the two an id of its own")];
      seen.add(id);
      return [];
    });
  });
}

/** Depth first over `fallback_models`; tells the reference that closes each circle. */
function checkFallbackCycles(root: Loose): readonly Finding[] {
  const modelById = new Map<string, Loose>();
  for (const model of entries(at(root, "models"))) modelById.set(textOf(at(model, "id")) ?? "", model);
  const done = new Set<string>();
  const findings: Finding[] = [];

  function visit(id: string, trail: readonly string[]): void {
    const model = modelById.get(id);
    if (model === undefined || done.has(id)) return;
    for (const fallback of entries(at(model, "fallback_models"))) {
      const next = textOf(fallback);
      if (next === undefined) continue;
      const path = [...trail, id];
      const begin = path.indexOf(next);
      if (begin >= 0) findings.push(finding(fallback, `goes in a circle: ${[...path.slice(begin), next].join(" → ")}`));
      else visit(next, path);
    }
    done.add(id);
  }

  for (const id of modelById.keys()) visit(id, []);
  return findings;
}

function checkExpression(where: Loose, world: CrossCheckWorld): readonly Finding[] {
  const expression = textOf(where);
  const message = expression === undefined ? undefined : world.checkRule(expression);
  return message === undefined ? [] : [finding(where, message)];
}

function checkConsequence(rule: Loose): readonly Finding[] {
  const hasModel = at(rule, "model").value !== undefined;
  return hasModel === (at(rule, "deny").value !== undefined) ? [finding(rule, "must say either model or deny")] : [];
}

// ── Amounts, certificates, files ────────────────────────────────────────────────────────────────────────────────────

function checkAmounts(root: Loose): readonly Finding[] {
  const idle = entries(at(root, "limits")).filter((limit) =>
    keysOf(limit).every((key) => key === "scope" || key === "on_state_failure"),
  );
  const empty = entries(at(root, "budgets")).filter(
    (budget) => at(budget, "hard_usd").value === undefined && at(budget, "soft_usd").value === undefined,
  );
  return [
    ...idle.map((limit) =>
      finding(limit, "limits nothing: say e.g. requests_per_minute, tokens_per_minute or concurrency"),
    ),
    ...empty.map((budget) => finding(budget, "limits nothing: say hard_usd or soft_usd")),
    ...entries(at(root, "budgets")).flatMap((budget) => {
      const where = at(budget, "fallback_model");
      const isIdle = where.value !== undefined && at(budget, "soft_usd").value === undefined;
      return isIdle ? [finding(where, "needs soft_usd: calls go there once it is passed")] : [];
    }),
  ];
}

function checkCertificates(root: Loose): readonly Finding[] {
  const grants = entries(at(root, "authentication", "mtls"));
  const unnamed = grants.filter(
    (grant) => (at(grant, "spiffe").value === undefined) === (at(grant, "subject").value === undefined),
  );
  const clientCa = at(root, "server", "tls", "client_ca_file");
  const needsCa = grants.length > 0 && clientCa.value === undefined;
  return [
    ...unnamed.map((grant) => finding(grant, "must say either spiffe or subject")),
    ...(needsCa
      ? [finding(at(root, "authentication", "mtls"), "needs server.tls.client_ca_file to check certificates against")]
      : []),
    ...["usage", "cluster"].flatMap((section) => {
      const nats = at(root, section, "nats");
      const both = at(nats, "credentials").value !== undefined && at(nats, "nkey").value !== undefined;
      const tls = at(nats, "tls");
      const half = (at(tls, "cert_file").value === undefined) !== (at(tls, "key_file").value === undefined);
      return [
        ...(both ? [finding(at(nats, "nkey"), "must not be said together with credentials")] : []),
        ...(half ? [finding(tls, "cert_file and key_file go together")] : []),
      ];
    }),
  ];
}

const filePaths = [
  ["server", "tls", "cert_file"],
  ["server", "tls", "key_file"],
  ["server", "tls", "client_ca_file"],
  ["usage", "nats", "tls", "ca_file"],
  ["usage", "nats", "tls", "cert_file"],
  ["usage", "nats", "tls", "key_file"],
  ["cluster", "nats", "tls", "ca_file"],
  ["cluster", "nats", "tls", "cert_file"],
  ["cluster", "nats", "tls", "key_file"],
  ["prices", "overrides"],
] as const;

function checkFiles(root: Loose, world: CrossCheckWorld): readonly Finding[] {
  return filePaths.flatMap((path) => {
    const where = at(root, ...path);
    const file = textOf(where);
    if (file === undefined || file === "" || world.isReadableFile(file)) return [];
    return [
      finding(where, "there is no such file, or it cannot be read; relative paths begin at the folder of this file"),
    ];
  });
}
