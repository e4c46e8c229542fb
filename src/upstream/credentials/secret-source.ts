// Where a secret stands, turned into something that can be asked for it.
import type { SecretReference } from "../../config/config.ts";
import { asNumber, asObject, asString, parseJson } from "../../wire/json.ts";
import { toRequest } from "../fetch-text.ts";
import { type CredentialParts, credentialFailure, type Dated, type Source } from "./credential-parts.ts";
import { FileSource } from "./file-source.ts";
import { RenewedSource } from "./renewed-source.ts";
import { runCommand } from "./run-command.ts";

/** How long the output of a command, or a secret of a server that does not say, is used. */
const defaultLifeMs = 5 * 60_000;

/** The text of the secret, without the white space around it; never empty. */
export function createSecretSource(reference: SecretReference, parts: CredentialParts): Source<string> {
  return new TrimmedSource(createTextSource(reference, parts));
}

function createTextSource(reference: SecretReference, parts: CredentialParts): Source<string> {
  if ("env" in reference) return new EnvironmentSource(reference.env, parts);
  if ("file" in reference) return new FileSource(reference.file, parts.nowMs);
  if ("command" in reference) {
    const { command } = reference;
    return new RenewedSource(async () => dated(await runCommand(command, parts.env), parts), parts);
  }
  return createHttpSource(reference.http, parts);
}

class EnvironmentSource implements Source<string> {
  readonly #name: string;
  readonly #env: CredentialParts["env"];

  constructor(name: string, { env }: CredentialParts) {
    this.#name = name;
    this.#env = env;
  }

  get(): string {
    const value = this.#env[this.#name];
    if (value === undefined || value.trim() === "") {
      throw credentialFailure(`the environment variable ${this.#name} is not set`);
    }
    return value;
  }

  reload(): void {
    // The environment of a process does not change.
  }
}

class TrimmedSource implements Source<string> {
  readonly #inner: Source<string>;

  constructor(inner: Source<string>) {
    this.#inner = inner;
  }

  get(): string | Promise<string> {
    const text = this.#inner.get();
    return typeof text === "string" ? trimmed(text) : text.then(trimmed);
  }

  reload(isOrder?: boolean): void {
    this.#inner.reload(isOrder);
  }
}

function trimmed(text: string): string {
  const secret = text.trim();
  if (secret === "") throw credentialFailure("the secret is empty");
  return secret;
}

type HttpReference = Extract<SecretReference, { readonly http: unknown }>["http"];

function createHttpSource({ url, field, token }: HttpReference, parts: CredentialParts): Source<string> {
  const tokenSource = token === undefined ? undefined : createSecretSource(token, parts);
  const source = new RenewedSource(async () => {
    const bearer = await tokenSource?.get();
    // Vault takes its token this way too, beside its own X-Vault-Token (Vault API documentation, "Authentication").
    const headers = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
    const { status, text } = await parts.fetchText(toRequest(url, { headers }));
    if (status === 401 || status === 403) tokenSource?.reload();
    if (status !== 200) throw credentialFailure(`the secret server answered ${status}`);
    return readAnswer(text, field, parts);
  }, parts);
  return {
    get: () => source.get(),
    reload(isOrder) {
      if (isOrder === true) tokenSource?.reload(true);
      source.reload(isOrder);
    },
  };
}

function readAnswer(text: string, field: string, parts: CredentialParts): Dated<string> {
  const json = parseJson(text);
  let found: unknown = json;
  for (const name of field.split(".")) found = asObject(found)?.[name];
  const secret = asString(found);
  if (secret === undefined) throw credentialFailure(`the answer of the secret server has no text at ${field}`);
  const leaseSeconds = asNumber(asObject(json)?.["lease_duration"]) ?? 0;
  return leaseSeconds > 0 ? { value: secret, expiresAtMs: parts.nowMs() + leaseSeconds * 1_000 } : dated(secret, parts);
}

function dated(value: string, { nowMs }: CredentialParts): Dated<string> {
  return { value, expiresAtMs: nowMs() + defaultLifeMs };
}
