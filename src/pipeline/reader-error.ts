import { ProviderFailure } from "../domain/provider-failure.ts";
import { FramingError } from "../wire/wire-event.ts";

/** Why reading an answer ended: bytes that break the framing are the provider's failure; anything else is what it was. */
export function toReaderError(thrown: unknown): Error {
  if (thrown instanceof FramingError) {
    return new ProviderFailure("bad-response", "the provider's stream breaks its own framing", { cause: thrown });
  }
  return thrown instanceof Error ? thrown : new Error("a reader threw no error");
}
