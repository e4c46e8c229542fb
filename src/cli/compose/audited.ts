// What is refused, put on record where every call passes: at authentication, and when a call is over.
import type { AuditKind, AuditTrail } from "../../admin/audit/audit-trail.ts";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Caller } from "../../domain/principal.ts";
import type { Authenticator, CallObserver } from "../../pipeline/ports.ts";

/** `onKnown` hears the caller of each credential that holds; must not throw. */
export function auditedAuthenticator(
  authenticator: Authenticator,
  audit: AuditTrail,
  onKnown: (caller: Caller) => void,
): Authenticator {
  const known = (caller: Caller): Caller => {
    onKnown(caller);
    return caller;
  };
  const refused = (error: unknown): never => {
    if (error instanceof CallFailure && error.reason === ErrorReason.CREDENTIALS_INVALID) {
      audit.denied({
        kind: "authentication.denied",
        caller: undefined,
        resource: "",
        reason: "CREDENTIALS_INVALID",
      });
    }
    throw error;
  };
  return {
    authenticate(start, nowMs) {
      try {
        const caller = authenticator.authenticate(start, nowMs);
        return caller instanceof Promise ? caller.then(known, refused) : known(caller);
      } catch (error) {
        return refused(error);
      }
    },
  };
}

/** Refusals of calls by their reason; what is not listed is no refusal, or not ours. */
const refusals: ReadonlyMap<ErrorReason, { readonly kind: AuditKind; readonly reason: string }> = new Map([
  [ErrorReason.PERMISSION_DENIED, { kind: "permission.denied", reason: "PERMISSION_DENIED" }],
  [ErrorReason.MODEL_NOT_ALLOWED, { kind: "model.denied", reason: "MODEL_NOT_ALLOWED" }],
  [ErrorReason.RATE_LIMITED, { kind: "limit.denied", reason: "RATE_LIMITED" }],
  [ErrorReason.CONCURRENCY_LIMITED, { kind: "limit.denied", reason: "CONCURRENCY_LIMITED" }],
  [ErrorReason.BUDGET_EXHAUSTED, { kind: "budget.denied", reason: "BUDGET_EXHAUSTED" }],
  [ErrorReason.CURSOR_EXPIRED, { kind: "resource.denied", reason: "CURSOR_EXPIRED" }],
]);

export function auditedObserver(observer: CallObserver, audit: AuditTrail): CallObserver {
  return {
    finished(record) {
      observer.finished(record);
      const { event, caller, method } = record;
      const refusal = refusals.get(event.errorReason);
      if (refusal === undefined) return;
      audit.denied({
        ...refusal,
        caller,
        resource: resourceOf(refusal.kind, event.requestedModel, inferenceMethod(method)),
      });
    },
  };
}

export function inferenceMethod(name: string): string {
  return `llmgateway.v1.InferenceService/${name}`;
}

/** `method`: with its service. */
function resourceOf(kind: AuditKind, model: string, method: string): string {
  return kind !== "permission.denied" && model !== "" ? `model/${model}` : `method/${method}`;
}

/** A question that is refused as a call would be, and is none: no observer hears of its end. */
export function auditedQuestion<Request, Answer>(
  answer: (caller: Caller, request: Request) => Answer,
  method: string,
  modelOf: (request: Request) => string,
  audit: AuditTrail,
): (caller: Caller, request: Request) => Answer {
  return (caller, request) => {
    try {
      return answer(caller, request);
    } catch (error) {
      const refusal = error instanceof CallFailure ? refusals.get(error.reason) : undefined;
      if (refusal !== undefined) {
        audit.denied({ ...refusal, caller, resource: resourceOf(refusal.kind, modelOf(request), method) });
      }
      throw error;
    }
  };
}

/** Of a caller that is known and may not call the method. */
export function auditDeniedMethod(audit: AuditTrail): (caller: Caller, method: string) => void {
  return (caller, method) =>
    audit.denied({
      kind: "permission.denied",
      caller,
      resource: `method/${method}`,
      reason: "PERMISSION_DENIED",
    });
}

/** Of nobody that is known, since no credential was looked at. */
export function auditRefusedRequest(audit: AuditTrail): (because: "malformed" | "headers-too-large") => void {
  return (because) =>
    audit.denied({
      kind: "request.refused",
      caller: undefined,
      resource: "",
      reason: because === "malformed" ? "INVALID_REQUEST" : "PAYLOAD_TOO_LARGE",
    });
}
