import { ProviderFailure } from "../domain/provider-failure.ts";
import { asObject, type JsonRecord, parseJson } from "../wire/json.ts";

/** The object that an answer holds. Throws `ProviderFailure` bad-response; `what`: "embeddings", say. */
export function readJsonAnswer(body: Uint8Array, what: string): JsonRecord {
  try {
    const record = asObject(parseJson(new TextDecoder().decode(body)));
    if (record !== undefined) return record;
  } catch {
    // The same failure as for JSON that is no object.
  }
  throw notAnAnswer(what, "it is no JSON object");
}

export function notAnAnswer(what: string, because: string): ProviderFailure {
  return new ProviderFailure("bad-response", `the provider's answer holds no ${what}: ${because}`);
}
