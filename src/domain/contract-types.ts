// Types of the contract that the domain speaks of, and no code: `domain/` imports nothing at run time.
import type { JsonObject } from "@bufbuild/protobuf";

export type { Citation, OpaqueState, Part, TokenLogprob } from "../contract.ts";

/** Facts by provider name: `Part.provider_metadata`, `CompleteResponse.provider_metadata`. */
export type JsonFacts = Readonly<Record<string, JsonObject>>;
