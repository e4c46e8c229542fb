import { create } from "@bufbuild/protobuf";
import { type Warning, WarningKind, WarningSchema } from "../contract.ts";

/** The request field was left out. `field` is its path in the contract, e.g. "sampling.top_k". */
export function droppedWarning(field: string, message: string): Warning {
  return create(WarningSchema, { kind: WarningKind.PARAMETER_DROPPED, field, message });
}

/** The value was changed. */
export function adjustedWarning(field: string, message: string): Warning {
  return create(WarningSchema, { kind: WarningKind.PARAMETER_ADJUSTED, field, message });
}

/** The feature is imitated and may be less exact. */
export function emulatedWarning(field: string, message: string): Warning {
  return create(WarningSchema, { kind: WarningKind.EMULATED, field, message });
}

/** Opaque state of another provider was left out. */
export function stateDroppedWarning(field: string, provider: string): Warning {
  const message = `state issued by ${provider} cannot be sent to another provider`;
  return create(WarningSchema, { kind: WarningKind.STATE_DROPPED, field, message });
}

/** Something about the answer that is worth saying and has no kind of its own. */
export function otherWarning(message: string): Warning {
  return create(WarningSchema, { kind: WarningKind.UNSPECIFIED, message });
}
