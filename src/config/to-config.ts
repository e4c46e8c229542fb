// From the words of the file to the words of the program: camelCase, absolute paths, money in nano-USD, credentials as a
// union. Total: everything that can be wrong was refused before.
import { resolve } from "node:path";
import type { Grant } from "../domain/grant.ts";
import type {
  BudgetConfig,
  Config,
  CredentialSource,
  KeyConfig,
  LimitConfig,
  ModelConfig,
  MtlsConfig,
  NatsConfig,
  ProviderConfig,
  SecretReference,
  TargetConfig,
  UsageConfig,
} from "./config.ts";
import { parseListen } from "./schema/scalars.ts";
import type { RawConfig } from "./schema.ts";

type RawProvider = RawConfig["providers"][number];
type RawModel = RawConfig["models"][number];
type RawKey = RawConfig["keys"][number];
type RawSecret = NonNullable<NonNullable<RawConfig["usage"]["nats"]>["credentials"]>;
type RawNats = NonNullable<RawConfig["cluster"]>["nats"];

/** `baseDir`: folder that relative paths begin at, absolute. */
export function toConfig(raw: RawConfig, baseDir: string): Config {
  return {
    server: toServer(raw.server, baseDir),
    dataDir: resolve(baseDir, raw.data_dir),
    providers: raw.providers.map((provider) => toProvider(provider, baseDir)),
    models: raw.models.map(toModel),
    rules: raw.rules.map(({ id, when, model }) => ({ id, when, model })),
    tenants: {
      organisations: raw.tenants.organisations.map(({ id, ...grant }) => ({ id, ...toGrant(grant) })),
      teams: raw.tenants.teams.map(({ id, organisation, ...grant }) => ({
        id,
        organisationId: organisation ?? "",
        ...toGrant(grant),
      })),
      projects: raw.tenants.projects.map(({ id, team, ...grant }) => ({ id, teamId: team ?? "", ...toGrant(grant) })),
    },
    keys: raw.keys.map(toKey),
    authentication: {
      jwt: raw.authentication.jwt.map((issuer) => ({
        issuer: issuer.issuer,
        audience: issuer.audience,
        jwksUri: issuer.jwks_uri,
        claims: toClaims(issuer.claims),
      })),
      mtls: raw.authentication.mtls.map(toMtls),
    },
    limits: raw.limits.map(toLimit),
    queue: { waitMsMax: raw.queue.max_wait, waitingMax: raw.queue.max_waiting },
    budgets: raw.budgets.map(toBudget),
    alerts: raw.alerts && { webhook: raw.alerts.webhook, secret: toSecret(raw.alerts.secret, baseDir) },
    replay: {
      rememberMs: raw.replay.remember,
      resumeWindowMs: raw.replay.resume_window,
      answerBytesMax: raw.replay.max_answer_bytes,
      sharedBytesMax: raw.replay.max_bytes,
      onStateFailure: raw.replay.on_state_failure,
    },
    prices: { overridesFile: resolved(baseDir, raw.prices.overrides), driftThreshold: raw.prices.drift_threshold },
    usage: toUsage(raw.usage, baseDir),
    cluster: raw.cluster === undefined ? undefined : { nats: toNats(raw.cluster.nats, baseDir) },
    telemetry: { logLevel: raw.telemetry.log.level, traces: raw.telemetry.traces },
  };
}

function toServer(raw: RawConfig["server"], baseDir: string): Config["server"] {
  const { host, port } = parseListen(raw.listen) ?? { host: raw.listen, port: 0 };
  return {
    host,
    port,
    tls: raw.tls && {
      certFile: resolve(baseDir, raw.tls.cert_file),
      keyFile: resolve(baseDir, raw.tls.key_file),
      clientCaFile: resolved(baseDir, raw.tls.client_ca_file),
    },
    maxRequestBytes: raw.max_request_bytes,
    maxConnections: raw.max_connections,
    maxStreamsPerConnection: raw.max_streams_per_connection,
    drainTimeoutMs: raw.drain_timeout,
    heartbeatIntervalMs: raw.heartbeat_interval,
  };
}

function toProvider(raw: RawProvider, baseDir: string): ProviderConfig {
  return {
    settings: toProviderSettings(raw),
    credentials: toCredentials(raw.credentials, baseDir),
    timeouts: {
      connectMs: raw.timeouts.connect,
      firstTokenMs: raw.timeouts.first_token,
      idleMs: raw.timeouts.idle,
      totalMs: raw.timeouts.total,
    },
    minRate: raw.min_rate.tokens_per_second === 0 ? undefined : toMinRate(raw.min_rate),
    maxConnections: raw.max_connections,
    http2: raw.http2,
  };
}

function toMinRate({ tokens_per_second: tokensPerSecond, window: windowMs }: RawProvider["min_rate"]) {
  return { tokensPerSecond, windowMs };
}

function toProviderSettings(raw: RawProvider): ProviderConfig["settings"] {
  return {
    id: raw.id,
    kind: raw.kind,
    baseUrl: raw.base_url,
    api: raw.api,
    dialect: raw.dialect,
    apiVersion: raw.api_version,
    region: raw.region,
    project: raw.project,
    location: raw.location,
    publisher: raw.publisher,
  };
}

function toCredentials(raw: RawProvider["credentials"], baseDir: string): CredentialSource {
  if (typeof raw === "string") return credentialsByWord[raw];
  const reference = (secret: RawSecret): SecretReference => toSecret(secret, baseDir);
  if (raw.api_key !== undefined) {
    return { kind: "api-key", apiKeys: (Array.isArray(raw.api_key) ? raw.api_key : [raw.api_key]).map(reference) };
  }
  if (raw.access_token !== undefined) return { kind: "access-token", token: reference(raw.access_token) };
  if (raw.service_account !== undefined) return { kind: "service-account", json: reference(raw.service_account) };
  if (raw.profile !== undefined) return { kind: "aws-profile", profile: raw.profile };
  if (raw.access_key_id !== undefined && raw.secret_access_key !== undefined) {
    return {
      kind: "aws-static",
      accessKeyId: reference(raw.access_key_id),
      secretAccessKey: reference(raw.secret_access_key),
      sessionToken: raw.session_token && reference(raw.session_token),
    };
  }
  return { kind: "none" };
}

const credentialsByWord = {
  none: { kind: "none" },
  metadata: { kind: "metadata" },
  web_identity: { kind: "aws-web-identity" },
  container: { kind: "aws-container" },
} as const satisfies Record<Extract<RawProvider["credentials"], string>, CredentialSource>;

function toSecret(raw: RawSecret, baseDir: string): SecretReference {
  if (raw.env !== undefined) return { env: raw.env };
  if (raw.file !== undefined) return { file: resolve(baseDir, raw.file) };
  if (raw.command !== undefined) return { command: raw.command };
  const { url = "", field = "", token } = raw.http ?? {};
  return { http: { url, field, token: token && toSecret(token, baseDir) } };
}

function toModel(raw: RawModel): ModelConfig {
  return {
    id: raw.id,
    strategy: raw.strategy,
    targets: raw.targets.map(toTarget),
    retry: { maxAttempts: raw.retry.max_attempts, hedgeDelayMs: raw.retry.hedge_delay },
    fallbackModels: raw.fallback_models,
  };
}

function toTarget(raw: RawModel["targets"][number]): TargetConfig {
  return {
    id: raw.id ?? `${raw.provider}/${raw.model}`,
    providerId: raw.provider,
    model: raw.model,
    weight: raw.weight,
    region: raw.region,
    zeroDataRetention: raw.zero_data_retention,
    maxConcurrentRequests: raw.max_concurrent_requests,
    facts: {
      contextWindow: raw.facts.context_window,
      maxOutputTokens: raw.facts.max_output_tokens,
      inputModalities: raw.facts.input_modalities,
      outputModalities: raw.facts.output_modalities,
      reasoning: raw.facts.reasoning,
      tools: raw.facts.tools,
      jsonSchema: raw.facts.json_schema,
      operations: raw.facts.operations?.map((name) => (name === "generate_images" ? "generateImages" : name)),
    },
  };
}

function toKey(raw: RawKey): KeyConfig {
  return {
    id: raw.id,
    projectId: raw.project,
    digest: raw.digest.slice("sha256:".length).toLowerCase(),
    roles: raw.roles,
    ...toGrant(raw),
    models: raw.models,
    expiresAtMs: raw.expires,
    disabled: raw.disabled,
  };
}

function toClaims(raw: RawConfig["authentication"]["jwt"][number]["claims"]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(raw).flatMap(([tells, claim]) => (claim === undefined ? [] : [[tells, claim]])),
  );
}

function toMtls(raw: RawConfig["authentication"]["mtls"][number]): MtlsConfig {
  const { spiffe, subject, project, roles, models } = raw;
  return { spiffe, subject, projectId: project, roles, ...toGrant(raw), models };
}

type RawGrant = Partial<RawConfig["tenants"]["projects"][number]>;

/** Only what the file says, since most say nothing. */
function toGrant(raw: RawGrant): Grant {
  const { models, providers, input_modalities, output_modalities, max_input_tokens, max_output_tokens } = raw;
  return {
    ...(models === undefined ? {} : { models }),
    ...(providers === undefined ? {} : { providers: providers.map((provider) => provider.toLowerCase()) }),
    ...(input_modalities === undefined ? {} : { inputModalities: input_modalities }),
    ...(output_modalities === undefined ? {} : { outputModalities: output_modalities }),
    ...(max_input_tokens === undefined ? {} : { inputTokensMax: max_input_tokens }),
    ...(max_output_tokens === undefined ? {} : { outputTokensMax: max_output_tokens }),
  };
}

function toLimit(raw: RawConfig["limits"][number]): LimitConfig {
  return {
    scope: raw.scope,
    requestsPerMinute: raw.requests_per_minute,
    requestsPerHour: raw.requests_per_hour,
    requestsPerDay: raw.requests_per_day,
    tokensPerMinute: raw.tokens_per_minute,
    tokensPerHour: raw.tokens_per_hour,
    tokensPerDay: raw.tokens_per_day,
    inputTokensPerMinute: raw.input_tokens_per_minute,
    inputTokensPerHour: raw.input_tokens_per_hour,
    inputTokensPerDay: raw.input_tokens_per_day,
    outputTokensPerMinute: raw.output_tokens_per_minute,
    outputTokensPerHour: raw.output_tokens_per_hour,
    outputTokensPerDay: raw.output_tokens_per_day,
    concurrency: raw.concurrency,
    onStateFailure: raw.on_state_failure,
  };
}

function toBudget(raw: RawConfig["budgets"][number]): BudgetConfig {
  return {
    id: raw.id ?? `${raw.scope}:${raw.period}`,
    scope: raw.scope,
    period: raw.period,
    hardNanoUsd: toNanoUsd(raw.hard_usd),
    softNanoUsd: toNanoUsd(raw.soft_usd),
    fallbackModel: raw.fallback_model,
    alertAt: raw.alert_at,
  };
}

/** Exact to the nano-dollar: dollars and their fraction are converted apart, since their product may pass 2^53. */
function toNanoUsd(usd: number | undefined): bigint | undefined {
  if (usd === undefined) return undefined;
  const dollars = Math.trunc(usd);
  return BigInt(dollars) * 1_000_000_000n + BigInt(Math.round((usd - dollars) * 1e9));
}

function toUsage(raw: RawConfig["usage"], baseDir: string): UsageConfig {
  const { durability, retain, max_bytes } = raw.journal;
  return {
    journal: { durability, retainMs: retain, maxBytes: max_bytes },
    nats: raw.nats && {
      ...toNats(raw.nats, baseDir),
      stream: raw.nats.stream,
      subjectPrefix: raw.nats.subject_prefix,
      format: raw.nats.format,
    },
  };
}

function toNats(raw: RawNats, baseDir: string): NatsConfig {
  return {
    servers: raw.servers,
    credentials: raw.credentials && toSecret(raw.credentials, baseDir),
    nkey: raw.nkey && toSecret(raw.nkey, baseDir),
    inboxPrefix: raw.inbox_prefix,
    tls: raw.tls && {
      caFile: resolved(baseDir, raw.tls.ca_file),
      certFile: resolved(baseDir, raw.tls.cert_file),
      keyFile: resolved(baseDir, raw.tls.key_file),
    },
  };
}

function resolved(baseDir: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(baseDir, path);
}
