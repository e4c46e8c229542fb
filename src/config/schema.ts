import * as z from "zod";
import { defaults, limits } from "./defaults.ts";
import {
  authenticationSection,
  budgetEntry,
  keyEntry,
  limitEntry,
  queueSection,
  tenantsSection,
} from "./schema/access.ts";
import { alertsSection } from "./schema/alerts.ts";
import { cacheSection, guardrailsSection, promptsSection } from "./schema/later.ts";
import { modelEntry, ruleEntry } from "./schema/models.ts";
import { providerEntry } from "./schema/providers.ts";
import { replaySection } from "./schema/replay.ts";
import { path } from "./schema/scalars.ts";
import { serverSection } from "./schema/server.ts";
import { telemetrySection } from "./schema/telemetry.ts";
import { clusterSection, pricesSection, usageSection } from "./schema/usage.ts";

/** What the code knows and the file may name: kinds of `providers/load-provider.ts`, rows of the OpenAI-compatible table. */
export type KnownNames = { readonly kinds: readonly string[]; readonly dialects: readonly string[] };

/** The whole file, in its own words (snake_case), durations and sizes already as numbers. */
export type RawConfig = z.output<ReturnType<typeof configSchema>>;

/** The shape of the operator's file; also what the reference and the JSON Schema are generated from. */
export function configSchema(known: KnownNames) {
  return z.strictObject({
    server: serverSection.prefault({}).describe("The port that callers connect to."),
    data_dir: path.prefault(defaults.dataDir).describe("Folder of the journal and of embedded state."),
    providers: z
      .array(providerEntry(known))
      .min(1, "must have at least one provider")
      .max(limits.providersMax, `must have at most ${limits.providersMax} providers`)
      .describe("Accounts at providers."),
    models: z
      .array(modelEntry)
      .min(1, "must have at least one model")
      .max(limits.modelsMax, `must have at most ${limits.modelsMax} models`)
      .describe("What callers may name, and where it is served."),
    rules: z
      .array(ruleEntry)
      .max(limits.rulesMax, `must have at most ${limits.rulesMax} rules`)
      .prefault([])
      .describe("Choose another model by what is asked; the first match wins."),
    tenants: tenantsSection.prefault({}).describe("Who pays: organisations, their teams, their projects."),
    keys: z
      .array(keyEntry)
      .max(limits.keysMax, `must have at most ${limits.keysMax} keys`)
      .prefault([])
      .describe("Keys of callers; `llm-gateway keys create` makes one."),
    authentication: authenticationSection.prefault({}).describe("Ways to authenticate beside keys."),
    limits: z
      .array(limitEntry)
      .max(limits.limitsMax, `must have at most ${limits.limitsMax} limits`)
      .prefault([])
      .describe(
        "Rates and concurrency. A call whose message is 64 KiB or more is refused before the message has come where a rate stays used up for a second or more: its event names no model.",
      ),
    queue: queueSection.prefault({}).describe("Waiting for a limit that is short, instead of being refused."),
    budgets: z
      .array(budgetEntry)
      .max(limits.budgetsMax, `must have at most ${limits.budgetsMax} budgets`)
      .prefault([])
      .describe("Money."),
    alerts: alertsSection.optional().describe("Where thresholds of budgets are told beside the log and NATS."),
    guardrails: guardrailsSection.prefault([]).describe("Not available in this version."),
    prompts: promptsSection.prefault({}).describe("Not available in this version."),
    cache: cacheSection.prefault({}).describe("Response cache; off in this version."),
    replay: replaySection.prefault({}).describe("Calls that may be asked for again."),
    prices: pricesSection.prefault({}).describe("Prices beyond the catalogue's."),
    usage: usageSection.prefault({}).describe("Usage events."),
    cluster: clusterSection.optional().describe("State that replicas share. Absent: embedded state in `data_dir`."),
    telemetry: telemetrySection.prefault({}).describe("Logs and traces."),
  });
}
