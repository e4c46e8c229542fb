import type { Caller } from "../../domain/principal.ts";

/** What happened, as the last tokens of the subject that it is published on. */
export type AuditKind =
  | "connection.denied"
  | "authentication.denied"
  | "permission.denied"
  | "request.refused"
  | "model.denied"
  | "limit.denied"
  | "budget.denied"
  | "resource.denied"
  | "key.created"
  | "key.updated"
  | "key.rotated"
  | "key.deleted"
  | "budget.created"
  | "budget.updated"
  | "budget.deleted"
  | "route.put"
  | "route.deleted"
  | "usage.corrected"
  | "audit.dropped";

/** One thing that is put on record. Never a secret, never content. */
export type AuditEntry = {
  readonly kind: AuditKind;
  /** `undefined`: nobody that is known. */
  readonly caller: Pick<Caller, "projectId" | "keyId" | "service"> | undefined;
  /** What it was done to, or was refused, e.g. "key/search-prod"; "": nothing in particular. */
  readonly resource: string;
  /** Why it was refused, as the name of the contract's reason, or of a fault of a client certificate; "" for an act. */
  readonly reason: string;
  /** Names of the fields that an act changed. */
  readonly fields?: readonly string[] | undefined;
};

export interface AuditTrail {
  /** Resolves when the record is on the disk, or cannot be had there (which the log then says). Never rejects. */
  act(entry: AuditEntry): Promise<void>;
  /** Returns at once; the same denial again within a minute is counted, not written anew. */
  denied(entry: AuditEntry): void;
}
