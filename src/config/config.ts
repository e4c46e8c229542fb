// The operator's file as the rest of the program sees it: defaults filled in, durations in milliseconds, paths absolute,
// secrets still references. `load.ts` makes it or lists every problem at once.

import type { Grant } from "../domain/grant.ts";
import type { CallerRole } from "../domain/principal.ts";
import type { ModelFacts } from "../domain/target.ts";
import type { ProviderSettings } from "../providers/provider.ts";

/** Where a secret is. A literal is refused by the loader. */
export type SecretReference =
  | { readonly env: string }
  | { readonly file: string }
  | { readonly command: readonly string[] }
  /** Vault-style: GET `url` with the token, take `field` of the JSON answer (dotted path). */
  | { readonly http: { readonly url: string; readonly field: string; readonly token?: SecretReference | undefined } };

/** `credentials:` of a provider. */
export type CredentialSource =
  | { readonly kind: "none" }
  | { readonly kind: "api-key"; readonly apiKeys: readonly SecretReference[] }
  | { readonly kind: "access-token"; readonly token: SecretReference }
  | { readonly kind: "service-account"; readonly json: SecretReference }
  /** Google metadata server. */
  | { readonly kind: "metadata" }
  | {
      readonly kind: "aws-static";
      readonly accessKeyId: SecretReference;
      readonly secretAccessKey: SecretReference;
      readonly sessionToken?: SecretReference | undefined;
    }
  | { readonly kind: "aws-profile"; readonly profile: string }
  | { readonly kind: "aws-web-identity" }
  | { readonly kind: "aws-container" };

export type Timeouts = {
  readonly connectMs: number;
  readonly firstTokenMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
};

export type ProviderConfig = {
  readonly settings: ProviderSettings;
  readonly credentials: CredentialSource;
  readonly timeouts: Timeouts;
  /** Least speed of a stream; `undefined`: none. */
  readonly minRate?: { readonly tokensPerSecond: number; readonly windowMs: number } | undefined;
  readonly maxConnections: number;
  /** HTTP/2 to the provider: cheaper streams, dearer unary calls. Default false. */
  readonly http2: boolean;
};

export type TargetConfig = {
  readonly id: string;
  readonly providerId: string;
  readonly model: string;
  readonly weight: number;
  readonly region: string;
  readonly zeroDataRetention: boolean;
  readonly maxConcurrentRequests?: number | undefined;
  /** Overrides of the catalogue. */
  readonly facts: ModelFacts;
};

export type Strategy = "priority" | "weighted" | "cost" | "latency" | "throughput" | "least_busy";

export type ModelConfig = {
  readonly id: string;
  readonly strategy: Strategy;
  readonly targets: readonly TargetConfig[];
  readonly retry: { readonly maxAttempts: number; readonly hedgeDelayMs?: number | undefined };
  readonly fallbackModels: readonly string[];
};

export type RuleConfig = {
  readonly id: string;
  readonly when: string;
  /** Model that is used instead of the named one; `undefined`: the call is refused. */
  readonly model: string | undefined;
};

export type KeyConfig = Grant & {
  readonly id: string;
  readonly projectId: string;
  /** SHA-256 of the secret, 64 lower-case hex digits. */
  readonly digest: string;
  readonly roles: readonly CallerRole[];
  readonly models: readonly string[];
  /** Unix milliseconds; `undefined`: never. */
  readonly expiresAtMs?: number | undefined;
  readonly disabled: boolean;
};

export type JwtIssuerConfig = {
  readonly issuer: string;
  readonly audience: string;
  /** Address of the JWKS; default `<issuer>/.well-known/jwks.json`. */
  readonly jwksUri?: string | undefined;
  /** Claim names by what they tell: project, team, organisation, user, roles, models, providers. */
  readonly claims: Readonly<Record<string, string>>;
};

export type MtlsConfig = Grant & {
  readonly spiffe?: string | undefined;
  readonly subject?: string | undefined;
  readonly projectId: string;
  readonly roles: readonly CallerRole[];
  readonly models: readonly string[];
};

export type LimitConfig = {
  /** "organisation/x" | "team/x" | "project/x" | "key/x" | "end_user/*". */
  readonly scope: string;
  readonly requestsPerMinute?: number | undefined;
  readonly requestsPerHour?: number | undefined;
  readonly requestsPerDay?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
  readonly tokensPerHour?: number | undefined;
  readonly tokensPerDay?: number | undefined;
  readonly inputTokensPerMinute?: number | undefined;
  readonly inputTokensPerHour?: number | undefined;
  readonly inputTokensPerDay?: number | undefined;
  readonly outputTokensPerMinute?: number | undefined;
  readonly outputTokensPerHour?: number | undefined;
  readonly outputTokensPerDay?: number | undefined;
  readonly concurrency?: number | undefined;
  /** What happens when the shared state cannot be reached. Default "closed". */
  readonly onStateFailure: "closed" | "open" | "local_share";
};

export type BudgetConfig = {
  readonly id: string;
  readonly scope: string;
  readonly period: "hour" | "day" | "week" | "month" | "total";
  readonly hardNanoUsd?: bigint | undefined;
  readonly softNanoUsd?: bigint | undefined;
  /** Model that calls go to once `softNanoUsd` is spent; absent: is only warned. */
  readonly fallbackModel?: string | undefined;
  /** Fractions of the limit, e.g. 0.8. */
  readonly alertAt: readonly number[];
};

export type NatsConfig = {
  readonly servers: readonly string[];
  readonly credentials?: SecretReference | undefined;
  readonly nkey?: SecretReference | undefined;
  /** Beginning of the subjects of replies. */
  readonly inboxPrefix: string;
  readonly tls?:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
      }
    | undefined;
};

export type UsageConfig = {
  readonly journal: { readonly durability: "fsync" | "os"; readonly retainMs: number; readonly maxBytes: number };
  /** `undefined`: events stay in the journal, and UsageService still answers. */
  readonly nats?:
    | (NatsConfig & {
        readonly stream: string;
        readonly subjectPrefix: string;
        readonly format: "protobuf" | "cloudevents-json";
      })
    | undefined;
};

export type Config = {
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly tls?:
      | { readonly certFile: string; readonly keyFile: string; readonly clientCaFile?: string | undefined }
      | undefined;
    readonly maxRequestBytes: number;
    readonly maxConnections: number;
    readonly maxStreamsPerConnection: number;
    readonly drainTimeoutMs: number;
    readonly heartbeatIntervalMs: number;
  };
  readonly dataDir: string;
  readonly providers: readonly ProviderConfig[];
  readonly models: readonly ModelConfig[];
  readonly rules: readonly RuleConfig[];
  readonly tenants: {
    readonly organisations: readonly (Grant & { readonly id: string })[];
    readonly teams: readonly (Grant & { readonly id: string; readonly organisationId: string })[];
    readonly projects: readonly (Grant & { readonly id: string; readonly teamId: string })[];
  };
  readonly keys: readonly KeyConfig[];
  readonly authentication: { readonly jwt: readonly JwtIssuerConfig[]; readonly mtls: readonly MtlsConfig[] };
  readonly limits: readonly LimitConfig[];
  /** Calls that a rate or concurrency limit would refuse wait so long for it; 0: they are refused at once. */
  readonly queue: { readonly waitMsMax: number; readonly waitingMax: number };
  readonly budgets: readonly BudgetConfig[];
  /** `undefined`: no webhook. */
  readonly alerts?: { readonly webhook: string; readonly secret: SecretReference } | undefined;
  readonly replay: {
    readonly rememberMs: number;
    readonly resumeWindowMs: number;
    readonly answerBytesMax: number;
    readonly sharedBytesMax: number;
    readonly onStateFailure: "local" | "closed";
  };
  readonly prices: {
    readonly overridesFile?: string | undefined;
    /** Difference between reported and our own costs above which is warned, e.g. 0.05 for 5 %. */
    readonly driftThreshold: number;
  };
  readonly usage: UsageConfig;
  /** `undefined`: embedded state in `dataDir`. */
  readonly cluster?: { readonly nats: NatsConfig } | undefined;
  readonly telemetry: {
    readonly logLevel: "trace" | "debug" | "info" | "warn" | "error" | "silent";
    readonly traces?: { readonly otlp: string; readonly sample: number } | undefined;
  };
};
