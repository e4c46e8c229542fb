import type { Credential } from "../domain/credential.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";

/** Shorter ones are words of every language; nobody's key is that short. */
const secretCharactersMin = 6;

/**
 * The failure of an attempt without the credential that it was made with, which some providers repeat in their errors.
 * What looks like a key was taken out by the provider's adapter; this takes out the one that we know, whatever it looks like.
 */
export function withoutCredential(error: unknown, credential: Credential): unknown {
  if (!(error instanceof ProviderFailure)) return error;
  const { providerMessage, providerCode, providerRequestId } = error.facts;
  const secrets = secretsOf(credential);
  const holdsOne = (text: string | undefined): boolean =>
    text !== undefined && secrets.some((secret) => text.includes(secret));
  if (![providerMessage, providerCode, providerRequestId].some(holdsOne)) return error;
  const clean = (text: string | undefined): string | undefined =>
    secrets.reduce<string | undefined>((rest, secret) => rest?.replaceAll(secret, "***"), text);
  // Without its cause, whose text may hold what this one must not.
  return new ProviderFailure(error.kind, error.message, {
    ...error.facts,
    providerMessage: clean(providerMessage),
    providerCode: clean(providerCode),
    providerRequestId: clean(providerRequestId),
    cause: undefined,
  });
}

function secretsOf(credential: Credential): readonly string[] {
  switch (credential.kind) {
    case "none":
      return [];
    case "aws":
      return [credential.secretAccessKey, credential.sessionToken ?? ""].filter(isLong);
    default:
      return [credential.value].filter(isLong);
  }
}

function isLong(secret: string): boolean {
  return secret.length >= secretCharactersMin;
}
