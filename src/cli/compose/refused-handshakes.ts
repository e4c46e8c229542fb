import type { AuditTrail } from "../../admin/audit/audit-trail.ts";
import type { HandshakeRefusal } from "../../server/handshake-refusal.ts";
import type { GaugeSample } from "../../telemetry/metrics.ts";

/** Reasons of the audit log; `undefined`: nobody asked to be let in, and it is only counted. */
const auditReasons = {
  "client-certificate-missing": "CLIENT_CERTIFICATE_MISSING",
  "client-certificate-expired": "CLIENT_CERTIFICATE_EXPIRED",
  "client-certificate-not-yet-valid": "CLIENT_CERTIFICATE_NOT_YET_VALID",
  "client-certificate-revoked": "CLIENT_CERTIFICATE_REVOKED",
  "client-certificate-untrusted": "CLIENT_CERTIFICATE_UNTRUSTED",
  "client-certificate-unfit": "CLIENT_CERTIFICATE_UNFIT",
  "not-spoken": undefined,
} as const satisfies Record<HandshakeRefusal, string | undefined>;

/** Clients that got no TLS connection: each in the metrics, and those with a wrong certificate or none on record too. */
export class RefusedHandshakes {
  readonly #audit: Pick<AuditTrail, "denied">;
  readonly #counts = new Map<HandshakeRefusal, number>();

  constructor(audit: Pick<AuditTrail, "denied">) {
    this.#audit = audit;
  }

  /** How many, by why. */
  get samples(): readonly GaugeSample[] {
    return [...this.#counts].map(([reason, value]) => ({ labels: { reason }, value }));
  }

  tell(because: HandshakeRefusal): void {
    this.#counts.set(because, (this.#counts.get(because) ?? 0) + 1);
    const reason = auditReasons[because];
    if (reason !== undefined) {
      this.#audit.denied({ kind: "connection.denied", caller: undefined, resource: "", reason });
    }
  }
}
