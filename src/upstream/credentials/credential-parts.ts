import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { FetchText } from "../fetch-text.ts";

/** What resolving credentials needs of the outside. */
export type CredentialParts = {
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetchText: FetchText;
  /** Hears when a provider refused one of several keys; must not throw. */
  readonly onRetired?: ((retirement: Retirement) => void) | undefined;
};

export type Retirement = {
  readonly providerId: string;
  /** Place of the key in the config, from 0; the key itself is never told. */
  readonly keyIndex: number;
  /** Unix milliseconds until which other keys are preferred. */
  readonly untilMs: number;
};

/** A value that is had from somewhere: at once while it is fresh, else after a while. */
export interface Source<Value> {
  /** Throws or rejects with `ProviderFailure` credentials-rejected. */
  get(): Value | Promise<Value>;
  /** What is held was refused: fetch it anew, soon. `isOrder`: the operator says so, and it is fetched in any case. */
  reload(isOrder?: boolean): void;
}

/** A value and when it stops being good. */
export type Dated<Value> = { readonly value: Value; readonly expiresAtMs: number };

/** Why a credential cannot be had: says where it was sought, never what was found. */
export function credentialFailure(message: string, cause?: unknown): ProviderFailure {
  return new ProviderFailure("credentials-rejected", message, { cause });
}
