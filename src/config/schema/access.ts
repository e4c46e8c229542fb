// Who may call, and how much: tenants, keys, tokens, certificates, limits, budgets.
import * as z from "zod";
import { limits } from "../defaults.ts";
import { duration, httpUrl, instant, modelName, name, text, whole } from "./scalars.ts";

const roles = z
  .array(z.enum(["inference", "usage", "admin", "platform"]))
  .min(1, "must name a role")
  .prefault(["inference"])
  .describe(
    "`inference`: call models; `usage`: read the project's usage; `admin`: administer the project; `platform`: everything.",
  );

const listOfModels = z
  .array(z.union([z.literal("*"), modelName], { error: 'must be a model id, or "*" for all' }))
  .min(1, 'must name a model, or "*" for all');
const models = listOfModels.prefault(["*"]).describe('Models that may be named; `["*"]`: all.');

const modality = z.enum(["text", "image", "audio", "video", "document"]);
const outputModality = z.enum(["text", "image", "audio", "video", "document", "embedding"]);
const tokens = whole(1, 1_000_000_000).optional();

/** What calls may be beside which model they name; for credentials, and for tenants, whose members have what both allow. */
const callBounds = {
  providers: z
    .array(z.union([z.literal("*"), name], { error: 'must be the id or kind of a provider, or "*" for all' }))
    .min(1, 'must name a provider, or "*" for all')
    .optional()
    .describe(
      "Providers that may serve, by id or kind; also of fallbacks and of models that rules choose. Absent: all.",
    ),
  input_modalities: z
    .array(modality)
    .min(1, "must name a modality")
    .optional()
    .describe("What requests may hold. Absent: anything."),
  output_modalities: z
    .array(outputModality)
    .min(1, "must name a modality")
    .optional()
    .describe("What requests may ask for. Absent: anything."),
  max_input_tokens: tokens.describe("Most input tokens of a call, as estimated before it. Absent: no limit."),
  max_output_tokens: tokens.describe(
    "Most output tokens of a call; calls that name no limit get this. Absent: no limit.",
  ),
};

const tenantModels = listOfModels.optional().describe("Models that may be named, of those that the credential allows.");

/** `tenants:` */
export const tenantsSection = z.strictObject({
  organisations: z
    .array(z.strictObject({ id: name.describe("Name."), models: tenantModels, ...callBounds }))
    .max(limits.tenantsMax)
    .prefault([])
    .describe("Organisations."),
  teams: z
    .array(
      z.strictObject({
        id: name.describe("Name."),
        organisation: name.optional().describe("Id of an organisation. Absent: the deployment has one, unnamed."),
        models: tenantModels,
        ...callBounds,
      }),
    )
    .max(limits.tenantsMax)
    .prefault([])
    .describe("Teams."),
  projects: z
    .array(
      z.strictObject({
        id: name.describe("Name."),
        team: name.optional().describe("Id of a team. Absent: the project has none."),
        models: tenantModels,
        ...callBounds,
      }),
    )
    .max(limits.tenantsMax)
    .prefault([])
    .describe("Projects: what keys belong to and what pays."),
});

/** One entry of `keys:`. */
export const keyEntry = z.strictObject({
  id: name.describe("Name in events and logs; never the secret."),
  project: name.describe("Id of a project."),
  digest: z
    .string({ error: 'must be "sha256:" and 64 hex digits, as `llm-gateway keys create` prints it' })
    .regex(
      /^sha256:[0-9a-fA-F]{64}$/,
      'must be "sha256:" and 64 hex digits, as `llm-gateway keys create` prints it; the secret itself is refused',
    )
    .describe("SHA-256 of the secret: `sha256:` and 64 hex digits."),
  roles,
  models,
  ...callBounds,
  expires: instant
    .optional()
    .describe("From when on the key is refused: a date (its first instant in UTC) or a date and time. Absent: never."),
  disabled: z.boolean({ error: "must be true or false" }).prefault(false).describe("Refuses the key."),
});

const claimName = text;

/** `authentication:` */
export const authenticationSection = z.strictObject({
  jwt: z
    .array(
      z.strictObject({
        issuer: httpUrl.describe("`iss` of the tokens."),
        audience: text.describe("`aud` that the tokens must name."),
        jwks_uri: httpUrl.optional().describe("Address of the keys. Absent: `<issuer>/.well-known/jwks.json`."),
        claims: z
          .strictObject({
            project: claimName.optional().describe("Claim that names the project."),
            team: claimName.optional().describe("Claim that names the team."),
            organisation: claimName.optional().describe("Claim that names the organisation."),
            user: claimName.optional().describe("Claim that names the user."),
            roles: claimName.optional().describe("Claim that lists the roles."),
            models: claimName.optional().describe("Claim that lists the models."),
            providers: claimName
              .optional()
              .describe("Claim that lists the providers; a token without it then reaches none."),
          })
          .prefault({})
          .describe("Claims by what they tell."),
      }),
    )
    .max(limits.issuersMax)
    .prefault([])
    .describe("Issuers of tokens that callers may come with."),
  mtls: z
    .array(
      z.strictObject({
        spiffe: z
          .string({ error: 'must be a SPIFFE id, e.g. "spiffe://acme/search/*"' })
          .regex(/^spiffe:\/\/[^\s*]+\*?$/, 'must be a SPIFFE id, e.g. "spiffe://acme/search/*", "*" only at its end')
          .optional()
          .describe("URI of the client certificate; `*` at the end stands for anything."),
        subject: text.optional().describe("Subject of the client certificate, as one line."),
        project: name.describe("Id of a project."),
        roles,
        models,
        ...callBounds,
      }),
    )
    .max(limits.mtlsMax)
    .prefault([])
    .describe("Client certificates that stand for a project. Needs `server.tls.client_ca_file`."),
});

const scopePattern = /^(?:(?:organisation|team|project|key)\/(?:\*|[A-Za-z0-9][A-Za-z0-9._-]*)|end_user\/\*)$/;
const scope = z
  .string({ error: 'must be a scope, e.g. "project/search"' })
  .regex(scopePattern, "must be organisation/ID, team/ID, project/ID, key/ID or end_user/*")
  .describe(
    "`organisation/ID`, `team/ID`, `project/ID`, `key/ID`, each also with `*` for every one of them, or `end_user/*`.",
  );

const count = () => whole(1, Number.MAX_SAFE_INTEGER).optional();

/** One entry of `limits:`. */
export const limitEntry = z.strictObject({
  scope,
  requests_per_minute: count().describe("Calls in a minute."),
  requests_per_hour: count().describe("Calls in an hour."),
  requests_per_day: count().describe("Calls in a day."),
  tokens_per_minute: count().describe("Input and output tokens in a minute."),
  tokens_per_hour: count().describe("Input and output tokens in an hour."),
  tokens_per_day: count().describe("Input and output tokens in a day."),
  input_tokens_per_minute: count().describe("Input tokens in a minute."),
  input_tokens_per_hour: count().describe("Input tokens in an hour."),
  input_tokens_per_day: count().describe("Input tokens in a day."),
  output_tokens_per_minute: count().describe("Output tokens in a minute."),
  output_tokens_per_hour: count().describe("Output tokens in an hour."),
  output_tokens_per_day: count().describe("Output tokens in a day."),
  concurrency: whole(1, limits.connectionsMax)
    .optional()
    .describe(
      "Calls at once. Over several instances each has a share, by how many are alive; fewer calls than instances leave some with none.",
    ),
  on_state_failure: z
    .enum(["closed", "open", "local_share"])
    .prefault("closed")
    .describe("When the shared state cannot be reached: refuse, let through, or keep to this instance's share."),
});

/** `queue:`. */
export const queueSection = z.strictObject({
  max_wait: duration({ minMs: 0, maxMs: limits.timeoutMsMax })
    .prefault("0s")
    .describe("Longest wait, within the caller's deadline. 0s: refused at once."),
  max_waiting: whole(0, limits.connectionsMax).prefault(1_000).describe("Most calls that wait."),
});

const usd = z
  .number({ error: "must be an amount in US dollars" })
  .min(0, "must not be negative")
  .max(limits.usdMax, `must be at most ${limits.usdMax}`)
  .optional();

/** One entry of `budgets:`. */
export const budgetEntry = z.strictObject({
  id: name.optional().describe("Name in errors and alerts. Absent: made of scope and period."),
  scope,
  period: z.enum(["hour", "day", "week", "month", "total"]).describe("When the budget begins anew, in UTC."),
  hard_usd: usd.describe("US dollars that are never passed."),
  soft_usd: usd.describe("US dollars after which is warned, or calls go to `fallback_model`."),
  fallback_model: modelName
    .optional()
    .describe("Model that calls go to once soft_usd is passed, whatever they name. Absent: is only warned."),
  alert_at: z
    .array(z.number({ error: "must be a fraction, e.g. 0.8" }).gt(0, "must be above 0").max(10, "must be at most 10"))
    .max(limits.alertsMax)
    .prefault([])
    .describe("Fractions of the limit at which an alert is raised, e.g. 0.8."),
});
