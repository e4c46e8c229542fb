import { CallFailure } from "../domain/call-failure.ts";

/** Fields of a completion that stand in `RequestContext` in every other request. */
const inContext = /^(?:routing|response_cache|provider_options|labels|end_user_id|request_id)(?![a-z_])/;

/**
 * Policy and routing speak of the fields of a completion. The caller of an operation is told of its own: `inputField` for
 * "messages", and `context.routing` for "routing".
 */
export function toOperationField(field: string, inputField: string): string {
  if (field === "messages") return inputField;
  return inContext.test(field) ? `context.${field}` : field;
}

/** The failure with the fields of the operation in its violations; anything else as it is. */
export function inOperationWords(error: unknown, inputField: string): unknown {
  if (!(error instanceof CallFailure) || error.facts.violations === undefined) return error;
  const violations = error.facts.violations.map(({ field, description }) => ({
    field: toOperationField(field, inputField),
    description,
  }));
  return new CallFailure(error.reason, error.message, { ...error.facts, violations });
}
