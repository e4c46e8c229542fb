// The refusals of administration, as the error table of the contract has them.
import { ErrorReason } from "../contract.ts";
import { CallFailure, type FieldViolation } from "../domain/call-failure.ts";

export function invalid(...violations: readonly FieldViolation[]): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, "the request breaks a rule of the contract", { violations });
}

export function changedMeanwhile(type: string, id: string): CallFailure {
  return new CallFailure(ErrorReason.CONFLICT, `the ${type} has changed: read it again`, {
    resource: { type, name: id },
  });
}

export function existsAlready(type: string, id: string): CallFailure {
  return new CallFailure(ErrorReason.CONFLICT, `a ${type} with this id exists`, { resource: { type, name: id } });
}

/** Objects of the operator's file are changed there. */
export function isInConfig(type: string, id: string): CallFailure {
  return new CallFailure(ErrorReason.CONFLICT, `the ${type} stands in the configuration file and is changed there`, {
    precondition: { type: "READ_ONLY", subject: `${type}/${id}`, description: "stands in the configuration file" },
  });
}

export function notAvailable(what: string): CallFailure {
  return new CallFailure(ErrorReason.FEATURE_DISABLED, `${what} is not available in this deployment`);
}

/** The state is away; nothing was changed. */
export function stateUnreachable(cause: unknown): CallFailure {
  return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the stored objects cannot be reached", {
    retryAfterMs: 1_000,
    cause,
  });
}
