// What a file asks for, compared with what a gateway has: the steps from the one to the other, and how they read.
import type { Transport } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { adminBudgets, adminKeys, adminRoutes } from "../../contract.ts";
import { CommandError } from "../command-error.ts";
import { differenceOf, type FieldChange } from "./difference.ts";
import type { WantedKey, WantedObjects } from "./parse-objects.ts";

export type Step = {
  /** E.g. "key/search-prod". */
  readonly name: string;
  readonly kind: "create" | "change" | "keep";
  readonly changes: readonly FieldChange[];
  /** Does it; gives what is to be told once, such as a secret. */
  readonly run: () => Promise<string | undefined>;
};

export type PlanOptions = {
  /** For how long the secret before still works after a key got another. */
  readonly graceSeconds: number;
};

const budgetFields = ["display_name", "limit_nano_usd", "period", "action", "fallback_model", "notify_percents"];
const routeFields = ["targets", "strategy", "retry_policy", "fallback_route_ids"];
const keyFields = [
  "display_name",
  "allowed_models",
  "allowed_methods",
  "rate_limits",
  "budget_ids",
  "guardrails",
  "labels",
  "disabled",
  "expire_time",
  "allowed_providers",
  "allowed_input_modalities",
  "allowed_output_modalities",
  "max_input_tokens",
  "max_output_tokens",
];

/** In the order in which they can be done: what others name comes first. */
export async function planSteps(
  transport: Transport,
  wanted: WantedObjects,
  options: PlanOptions,
): Promise<readonly Step[]> {
  const budgets = createClient(adminBudgets.BudgetService, transport);
  const routes = createClient(adminRoutes.RouteService, transport);
  const keys = createClient(adminKeys.KeyService, transport);
  const steps: Step[] = [];

  for (const budget of wanted.budgets) {
    const { budgetId } = budget;
    const current = (await orMissing(budgets.getBudget({ budgetId })))?.budget;
    const changes = differenceOf(adminBudgets.BudgetSchema, budgetFields, current, budget);
    steps.push(
      toStep(`budget/${budgetId}`, current !== undefined, changes, async () => {
        if (current === undefined) await budgets.createBudget({ budget });
        else await budgets.updateBudget({ budget: { ...budget, etag: current.etag }, updateMask: maskOf(changes) });
        return undefined;
      }),
    );
  }

  for (const route of fallbacksFirst(wanted.routes)) {
    const { routeId } = route;
    const current = (await orMissing(routes.getRoute({ routeId })))?.route;
    const changes = differenceOf(adminRoutes.RouteSchema, routeFields, current, route);
    steps.push(
      toStep(`route/${routeId}`, current !== undefined, changes, async () => {
        await routes.putRoute({ route: { ...route, etag: current?.etag ?? "" } });
        return undefined;
      }),
    );
  }

  for (const one of wanted.keys) {
    const { keyId } = one.key;
    const current = (await orMissing(keys.getKey({ keyId })))?.key;
    assertSameProject(one, current);
    const changes = differenceOf(adminKeys.KeySchema, keyFields, current, one.key);
    const secret = secretChange(one, current);
    const run = async () => {
      const { key, secretSha256 } = one;
      if (current === undefined) return toldOnce(keyId, (await keys.createKey({ key, secretSha256 })).secret);
      if (changes.length > 0) {
        await keys.updateKey({ key: { ...key, etag: current.etag }, updateMask: maskOf(changes) });
      }
      if (secret.length > 0) {
        await keys.rotateKey({ keyId, secretSha256, gracePeriodSeconds: options.graceSeconds });
      }
      return undefined;
    };
    steps.push(toStep(`key/${keyId}`, current !== undefined, [...changes, ...secret], run));
  }
  return steps;
}

function toStep(name: string, isThere: boolean, changes: readonly FieldChange[], run: Step["run"]): Step {
  if (!isThere) return { name, kind: "create", changes, run };
  return { name, kind: changes.length === 0 ? "keep" : "change", changes, run };
}

async function orMissing<Answer>(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}

function maskOf(changes: readonly FieldChange[]): { readonly paths: string[] } {
  return { paths: changes.map(({ field }) => field) };
}

function assertSameProject({ key }: WantedKey, current: adminKeys.Key | undefined): void {
  if (current === undefined || key.projectId === "" || key.projectId === current.projectId) return;
  throw new CommandError(`key/${key.keyId} belongs to project ${current.projectId}, which cannot be changed`, {
    exitCode: 2,
  });
}

const hintDigits = 8;

/** Digests are not told by the gateway, their beginning is. */
function secretChange({ secretSha256 }: WantedKey, current: adminKeys.Key | undefined): readonly FieldChange[] {
  const after = `sha256:${secretSha256.slice(0, hintDigits)}`;
  if (secretSha256 === "" || current?.secretHint === after) return [];
  return [{ field: "secret", before: current?.secretHint, after }];
}

function toldOnce(keyId: string, secret: string): string | undefined {
  return secret === "" ? undefined : `secret of key/${keyId}, shown this once: ${secret}`;
}

/** A route that others fall back to is made before them; those in a circle come last, and the gateway refuses them. */
function fallbacksFirst(routes: readonly adminRoutes.Route[]): readonly adminRoutes.Route[] {
  const ordered: adminRoutes.Route[] = [];
  let rest = [...routes];
  for (;;) {
    const waiting = new Set(rest.map(({ routeId }) => routeId));
    const ready = rest.filter(({ fallbackRouteIds }) => !fallbackRouteIds.some((id) => waiting.has(id)));
    if (ready.length === 0) return [...ordered, ...rest];
    ordered.push(...ready);
    rest = rest.filter((route) => !ready.includes(route));
  }
}
