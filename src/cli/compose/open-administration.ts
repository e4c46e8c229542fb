// Administration: the stored objects, who keeps them true here, and the services that change them.
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { AuditTrail } from "../../admin/audit/audit-trail.ts";
import { BudgetAdministration } from "../../admin/budgets/budget-administration.ts";
import { KeyAdministration } from "../../admin/keys/key-administration.ts";
import { KeyIndex } from "../../admin/keys/key-index.ts";
import { KeyUses } from "../../admin/keys/key-uses.ts";
import { RouteAdministration } from "../../admin/routes/route-administration.ts";
import { RouteIndex } from "../../admin/routes/route-index.ts";
import type { Config } from "../../config/config.ts";
import type { Clock } from "../../pipeline/ports.ts";
import type { AdmissionControl } from "../../policy/admission.ts";
import type { KeyDirectory } from "../../policy/key-directory.ts";
import type { RoutingDesk } from "../../routing/router.ts";
import type { Services } from "../../server/services.ts";
import type { ObjectStore } from "../../state/objects/object-store.ts";
import type { Log } from "../../telemetry/logger.ts";
import { type StoredObjects, warnUnusable } from "./stored-objects.ts";

export type AdministrationParts = {
  readonly config: Config;
  readonly store: ObjectStore;
  readonly stored: StoredObjects;
  readonly router: RoutingDesk;
  readonly figures: AdmissionControl["figures"];
  readonly directory: KeyDirectory;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly log: Log;
};

export type OpenAdministration = {
  readonly services: Required<Pick<Services, "keys" | "budgets" | "routes">>;
  /** The key has been used just now. */
  noteUse(keyId: string): void;
  close(): Promise<void>;
};

/** A gateway that starts while NATS is away waits so long for the stored keys, then serves with those of the config. */
const firstListMsMax = 5_000;
const flushMs = 60_000;

export async function openAdministration(parts: AdministrationParts): Promise<OpenAdministration> {
  const { config, store, directory, audit, clock, log, figures, router } = parts;
  const { budgets, limits } = parts.stored;
  const index: KeyIndex = new KeyIndex({
    directory,
    configIds: new Set(config.keys.map(({ id }) => id)),
    onUnusable: warnUnusable(log),
    onChange: (keyId) => limits.update(keyId, index),
  });
  const uses = new KeyUses(store);
  const routes = new RouteIndex({
    models: config.models,
    isProvider: (id) => config.providers.some(({ settings }) => settings.id === id),
    replaceModels: (models) => router.replaceModels(models),
    onUnusable: warnUnusable(log),
  });
  const listed = store.watch((change) => {
    routes.apply(change);
    budgets.apply(change);
    index.apply(change);
    uses.apply(change);
  });
  const isListed = await Promise.race([listed.then(() => true), wait(firstListMsMax, false, { ref: false })]);
  if (!isListed) log.logger.warn("the stored keys are not there yet; serving with those of the configuration");
  const timer = setInterval(() => void uses.flush(), flushMs); // Never rejects.
  timer.unref();
  const common = { store, tenants: config.tenants, audit, nowMs: clock.nowMs, randomBytes };
  return {
    services: {
      keys: new KeyAdministration({
        index,
        directory,
        uses,
        configKeys: config.keys,
        ownerOfBudget: (budgetId) => budgets.find(budgetId)?.record.projectId,
        ...common,
      }),
      budgets: new BudgetAdministration({
        index: budgets,
        keysOf: (budgetId) => limits.keysOf(budgetId),
        configBudgets: config.budgets,
        figures,
        isModel: (id) => router.targets(id) !== undefined,
        ...common,
      }),
      routes: new RouteAdministration({ index: routes, models: config.models, router, ...common }),
    },
    noteUse(keyId) {
      if (keyId !== "") uses.note(keyId, clock.nowMs());
    },
    async close() {
      clearInterval(timer);
      await uses.flush();
      await store.close();
    },
  };
}
