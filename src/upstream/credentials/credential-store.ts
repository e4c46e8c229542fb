// The credentials of every configured provider: resolved when they are first needed, held while they are fresh, rotated
// or fetched anew when a provider refuses them. Nothing of a value reaches an error, a log or a metric.
import type { CredentialSource, ProviderConfig, SecretReference } from "../../config/config.ts";
import type { Credential } from "../../domain/credential.ts";
import { unreachable } from "../../domain/unreachable.ts";
import type { CredentialStore } from "../../pipeline/ports.ts";
import { createTextFetcher } from "../fetch-text.ts";
import { createContainerSource } from "./aws-container.ts";
import { toAwsKeys } from "./aws-keys.ts";
import { createProfileSource } from "./aws-profile.ts";
import { createWebIdentitySource } from "./aws-web-identity.ts";
import { type CredentialParts, credentialFailure, type Source } from "./credential-parts.ts";
import { createMetadataSource, createServiceAccountSource } from "./google-token.ts";
import { KeyRing } from "./key-ring.ts";
import { createSecretSource } from "./secret-source.ts";

export type ManagedCredentialStore = CredentialStore & {
  /** Every secret is read anew when it is next needed, for instance after SIGHUP. */
  reload(): void;
  /** Ends connections to secret and token servers. */
  close(): Promise<void>;
};

/** `fetchText` is for tests; by default the store opens connections of its own. */
export type CredentialStoreParts = Omit<CredentialParts, "fetchText"> & Partial<Pick<CredentialParts, "fetchText">>;

/** Reads nothing yet: a missing secret fails the call that needs it. `credential` throws for a provider without a config. */
export function createCredentialStore(
  providers: readonly Pick<ProviderConfig, "settings" | "credentials">[],
  parts: CredentialStoreParts,
): ManagedCredentialStore {
  const fetcher = createTextFetcher();
  const whole: CredentialParts = { ...parts, fetchText: parts.fetchText ?? fetcher.fetchText };
  const holders = new Map(
    providers.map(({ settings, credentials }) => [settings.id, createHolder(settings.id, credentials, whole)]),
  );
  return {
    credential(providerId) {
      const holder = holders.get(providerId);
      if (holder === undefined) throw new Error(`no provider "${providerId}" is configured`);
      return holder.get();
    },
    refused: (providerId, credential, because) => holders.get(providerId)?.refused(credential, because),
    reload() {
      for (const holder of holders.values()) holder.reload(true);
    },
    close: () => fetcher.close(),
  };
}

type Refusal = Parameters<CredentialStore["refused"]>[2];

interface Holder extends Source<Credential> {
  refused(credential: Credential, because: Refusal): void;
}

function createHolder(providerId: string, source: CredentialSource, parts: CredentialParts): Holder {
  switch (source.kind) {
    case "none":
      return new PlainHolder({ get: () => ({ kind: "none" }), reload: () => {} });
    case "api-key":
      return new KeyHolder(providerId, source.apiKeys, parts);
    case "access-token":
      return toTokenHolder(createSecretSource(source.token, parts));
    case "service-account":
      return toTokenHolder(createServiceAccountSource(createSecretSource(source.json, parts), parts));
    case "metadata":
      return toTokenHolder(createMetadataSource(parts));
    case "aws-static":
      return new PlainHolder(createStaticSource(source, parts));
    case "aws-profile":
      return new PlainHolder(createProfileSource(source.profile, parts));
    case "aws-web-identity":
      return new PlainHolder(createWebIdentitySource(parts));
    case "aws-container":
      return new PlainHolder(createContainerSource(parts));
    default:
      return unreachable(source);
  }
}

/** One credential, fetched anew when it was refused. */
class PlainHolder implements Holder {
  readonly #source: Source<Credential>;

  constructor(source: Source<Credential>) {
    this.#source = source;
  }

  get(): Credential | Promise<Credential> {
    return rejecting(() => this.#source.get());
  }

  refused(_credential: Credential, because: Refusal): void {
    if (because === "credentials-rejected") this.#source.reload();
  }

  reload(isOrder?: boolean): void {
    this.#source.reload(isOrder);
  }
}

/** Several API keys, one of them in use. */
class KeyHolder implements Holder {
  readonly #providerId: string;
  readonly #sources: readonly Source<Credential>[];
  readonly #ring: KeyRing;
  readonly #parts: CredentialParts;

  constructor(providerId: string, references: readonly SecretReference[], parts: CredentialParts) {
    this.#providerId = providerId;
    this.#parts = parts;
    this.#ring = new KeyRing(references.length);
    this.#sources = references.map((reference) => toHeaderSource(createSecretSource(reference, parts), "api-key"));
  }

  get(): Credential | Promise<Credential> {
    const index = this.#ring.best(this.#parts.nowMs());
    try {
      const credential = this.#sources[index]?.get();
      if (credential instanceof Promise) {
        return credential.then(
          (found) => this.#used(index, found),
          () => this.#first(),
        );
      }
      if (credential !== undefined) return this.#used(index, credential);
    } catch {
      // This one cannot be read: below, the others have their turn, and the last failure is told.
    }
    return this.#first();
  }

  refused(credential: Credential, because: Refusal): void {
    if (credential.kind !== "api-key") return;
    const put = this.#ring.refused(credential.value, because, this.#parts.nowMs());
    if (put === undefined || because === "rate-limited") return;
    this.#sources[put.index]?.reload();
    this.#parts.onRetired?.({ providerId: this.#providerId, keyIndex: put.index, untilMs: put.untilMs });
  }

  reload(isOrder?: boolean): void {
    this.#ring.forgive();
    for (const source of this.#sources) source.reload(isOrder);
  }

  async #first(): Promise<Credential> {
    let failure: unknown = credentialFailure("no API key is configured");
    for (const index of this.#ring.order(this.#parts.nowMs())) {
      try {
        const credential = await this.#sources[index]?.get();
        if (credential !== undefined) return this.#used(index, credential);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  #used(index: number, credential: Credential): Credential {
    if (credential.kind === "api-key") this.#ring.used(index, credential.value);
    return credential;
  }
}

function toTokenHolder(source: Source<string>): Holder {
  return new PlainHolder(toHeaderSource(source, "access-token"));
}

/** A secret that goes into a header. The same object for the same value. */
function toHeaderSource(source: Source<string>, kind: "api-key" | "access-token"): Source<Credential> {
  let last: Extract<Credential, { readonly value: string }> = { kind, value: "" };
  const toCredential = (value: string): Credential => {
    if (!/^[\x21-\x7e]+$/.test(value)) throw credentialFailure("the secret has characters that a header cannot carry");
    if (last.value !== value) last = { kind, value };
    return last;
  };
  return {
    get() {
      const value = source.get();
      return typeof value === "string" ? toCredential(value) : value.then(toCredential);
    },
    reload: (isOrder) => source.reload(isOrder),
  };
}

function createStaticSource(
  source: Extract<CredentialSource, { readonly kind: "aws-static" }>,
  parts: CredentialParts,
): Source<Credential> {
  const references = [source.accessKeyId, source.secretAccessKey];
  if (source.sessionToken !== undefined) references.push(source.sessionToken);
  const sources = references.map((reference) => createSecretSource(reference, parts));
  return {
    get() {
      const values = sources.map((one) => rejecting(() => one.get()));
      return values.every((value) => typeof value === "string")
        ? toStaticKeys(values)
        : Promise.all(values.map((value) => Promise.resolve(value))).then(toStaticKeys);
    },
    reload(isOrder) {
      for (const one of sources) one.reload(isOrder);
    },
  };
}

function toStaticKeys([accessKeyId, secretAccessKey, sessionToken]: readonly string[]): Credential {
  return toAwsKeys(accessKeyId, secretAccessKey, sessionToken, undefined).value;
}

/** The port speaks of rejecting, so what is thrown at once becomes that. */
function rejecting<Value>(get: () => Value | Promise<Value>): Value | Promise<Value> {
  try {
    return get();
  } catch (error) {
    return Promise.reject(error);
  }
}
