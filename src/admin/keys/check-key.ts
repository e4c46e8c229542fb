// What the contract's rules on single fields cannot say of a key.
import type { Config } from "../../config/config.ts";
import { adminKeys } from "../../contract.ts";
import type { FieldViolation } from "../../domain/call-failure.ts";
import { isKnownMethod } from "./allowed-methods.ts";

export type KeyWorld = {
  readonly tenants: Config["tenants"];
  readonly isBudget: (budgetId: string) => boolean;
};

const modelPattern = /^(?:\*|[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}\*?)$/;
/** As on `CompleteRequest.labels`, which they are added to. */
const labelPattern = /^[a-z][a-z0-9_.-]{0,62}$/;
const labelLengthMax = 256;

/** Windows in seconds that a limit may have: those that instances can share. */
const windows: readonly number[] = [60, 3_600, 86_400];

/** Every violation at once; none: the key can be stored. Paths begin at the key. */
export function checkKey(key: adminKeys.Key, world: KeyWorld): readonly FieldViolation[] {
  return [
    ...checkTeam(key, world),
    ...checkEach("allowed_models", key.allowedModels, (model) =>
      modelPattern.test(model) ? undefined : 'must be a model id, perhaps with "*" at its end',
    ),
    ...checkEach("allowed_providers", key.allowedProviders, (provider) =>
      modelPattern.test(provider) ? undefined : 'must be the name of a provider, perhaps with "*" at its end',
    ),
    ...checkEach("allowed_methods", key.allowedMethods, (method) =>
      isKnownMethod(method) ? undefined : 'must be a method that is served, or "package.Service/*"',
    ),
    ...checkEach("budget_ids", key.budgetIds, (id) => (world.isBudget(id) ? undefined : "there is no such budget")),
    ...checkEach("rate_limits", key.rateLimits, checkRateLimit),
    ...checkDoubles(key.rateLimits),
    ...checkLabels(key.labels),
  ];
}

function checkTeam(key: adminKeys.Key, { tenants }: KeyWorld): readonly FieldViolation[] {
  const project = tenants.projects.find(({ id }) => id === key.projectId);
  if (key.teamId === "" || project?.teamId === key.teamId) return [];
  return [{ field: "key.team_id", description: "must be the team of the project, or empty" }];
}

function checkRateLimit(limit: adminKeys.RateLimit): string | undefined {
  if (limit.model !== "" && !modelPattern.test(limit.model)) return "model must be a model id, or empty";
  const isConcurrency = limit.unit === adminKeys.RateLimitUnit.CONCURRENT_REQUESTS;
  if (limit.limit > BigInt(Number.MAX_SAFE_INTEGER)) return "the limit is too large";
  if (isConcurrency) return undefined;
  return windows.includes(limit.windowSeconds) ? undefined : "window_seconds must be 60, 3600 or 86400";
}

/** Two limits of the same units would share one count. */
function checkDoubles(limits: readonly adminKeys.RateLimit[]): readonly FieldViolation[] {
  const seen = new Set<string>();
  return limits.flatMap(({ unit, windowSeconds, model, perEndUser }, index) => {
    const isConcurrency = unit === adminKeys.RateLimitUnit.CONCURRENT_REQUESTS;
    const id = JSON.stringify([unit, isConcurrency ? 0 : windowSeconds, model, perEndUser]);
    if (seen.has(id)) return [{ field: `key.rate_limits[${index}]`, description: "stands twice" }];
    seen.add(id);
    return [];
  });
}

function checkLabels(labels: Readonly<Record<string, string>>): readonly FieldViolation[] {
  const isFitting = Object.entries(labels).every(
    ([name, value]) => labelPattern.test(name) && value.length <= labelLengthMax,
  );
  if (isFitting) return [];
  const description = `names match ${labelPattern.source}, values have at most ${labelLengthMax} characters`;
  return [{ field: "key.labels", description }];
}

function checkEach<Item>(
  field: string,
  items: readonly Item[],
  check: (item: Item) => string | undefined,
): readonly FieldViolation[] {
  return items.flatMap((item, index) => {
    const description = check(item);
    return description === undefined ? [] : [{ field: `key.${field}[${index}]`, description }];
  });
}
