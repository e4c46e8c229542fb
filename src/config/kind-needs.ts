// What an entry of `providers:` must and may say beside what every kind takes, by kind. A kind without a row takes every
// field: its own factory says what it lacks.

/** Forms of `credentials:`, by the key or the word that they begin with. */
export type CredentialForm =
  | "none"
  | "api_key"
  | "access_token"
  | "service_account"
  | "metadata"
  | "access_key_id"
  | "profile"
  | "web_identity"
  | "container";

/** Fields that only some kinds take. */
export type KindField =
  | "base_url"
  | "api"
  | "api_version"
  | "dialect"
  | "region"
  | "project"
  | "location"
  | "publisher";

export type KindNeeds = {
  readonly requires: readonly KindField[];
  /** Beside `requires`; `base_url` may be said for every kind. */
  readonly takes: readonly KindField[];
  /** Words that `api` may be. */
  readonly apis: readonly string[];
  readonly credentials: readonly CredentialForm[];
};

const keyOnly = { requires: [], takes: [], apis: [], credentials: ["api_key"] } as const satisfies KindNeeds;

export const needsByKind: Readonly<Record<string, KindNeeds>> = {
  openai: { ...keyOnly, takes: ["api"], apis: ["chat", "responses"] },
  "azure-openai": {
    requires: ["base_url"],
    takes: ["api", "api_version"],
    apis: ["chat", "responses"],
    credentials: ["api_key", "access_token"],
  },
  "openai-compatible": { requires: [], takes: ["dialect"], apis: [], credentials: ["none", "api_key"] },
  anthropic: { ...keyOnly, takes: ["api_version"] },
  gemini: keyOnly,
  vertex: {
    requires: ["project", "location"],
    takes: ["publisher"],
    apis: [],
    credentials: ["service_account", "access_token", "metadata"],
  },
  bedrock: {
    requires: ["region"],
    takes: ["api"],
    apis: ["converse", "invoke"],
    credentials: ["api_key", "access_key_id", "profile", "web_identity", "container"],
  },
  cohere: keyOnly,
  mistral: keyOnly,
  ollama: { requires: [], takes: [], apis: [], credentials: ["none", "api_key"] },
  simulator: { requires: [], takes: [], apis: [], credentials: ["none", "api_key"] },
};

/** Every field that not every kind takes. */
export const kindFields = ["api", "api_version", "dialect", "region", "project", "location", "publisher"] as const;
