// What a key lets its calls be, in the words of the contract and in those of policy. An empty list of the contract: all.
import type { adminKeys, Modality } from "../../contract.ts";
import type { Grant } from "../../domain/grant.ts";
import { type ModalityName, modalityByName, nameByModality } from "../../domain/modality.ts";

type Granted = Pick<
  adminKeys.Key,
  | "allowedModels"
  | "allowedProviders"
  | "allowedInputModalities"
  | "allowedOutputModalities"
  | "maxInputTokens"
  | "maxOutputTokens"
>;

export function toGrant(key: Granted): Grant & { readonly models: readonly string[] } {
  const { allowedModels, allowedProviders, allowedInputModalities, allowedOutputModalities } = key;
  return {
    models: allowedModels.length === 0 ? ["*"] : allowedModels,
    providers: allowedProviders.length === 0 ? undefined : allowedProviders.map((provider) => provider.toLowerCase()),
    inputModalities: toNames(allowedInputModalities),
    outputModalities: toNames(allowedOutputModalities),
    inputTokensMax: key.maxInputTokens,
    outputTokensMax: key.maxOutputTokens,
  };
}

/** Only what is limited. */
export function fromGrant(grant: Grant): Partial<Granted> {
  const { models, providers, inputModalities, outputModalities, inputTokensMax, outputTokensMax } = grant;
  return {
    allowedModels: withoutAll(models),
    allowedProviders: withoutAll(providers),
    allowedInputModalities: (inputModalities ?? []).map((name) => modalityByName[name]),
    allowedOutputModalities: (outputModalities ?? []).map((name) => modalityByName[name]),
    ...(inputTokensMax === undefined ? {} : { maxInputTokens: inputTokensMax }),
    ...(outputTokensMax === undefined ? {} : { maxOutputTokens: outputTokensMax }),
  };
}

function toNames(modalities: readonly Modality[]): readonly ModalityName[] | undefined {
  if (modalities.length === 0) return undefined;
  return modalities.map((modality) => nameByModality.get(modality)).filter((name) => name !== undefined);
}

function withoutAll(patterns: readonly string[] | undefined): string[] {
  return patterns === undefined || patterns.includes("*") ? [] : [...patterns];
}
