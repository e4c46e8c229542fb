import type { Config, MtlsConfig } from "../config/config.ts";
import type { Caller } from "../domain/principal.ts";
import type { PeerCertificate } from "../pipeline/ports.ts";
import { createTenancyIndex, inTenancy, noTenancy } from "./tenancy.ts";

const spiffeScheme = "spiffe://";

/**
 * Finds the caller whom a verified client certificate stands for; `undefined`: none. The first entry that matches wins.
 * An entry with both `spiffe` and `subject` needs both. `spiffe` may end in `*`, which stands for the rest of the path.
 */
export function createCertificateMatcher(
  entries: readonly MtlsConfig[],
  tenants: Config["tenants"],
): (peer: PeerCertificate) => Caller | undefined {
  const index = createTenancyIndex(tenants);
  const known = entries.map((entry) => ({ entry, tenancy: index.get(entry.projectId) ?? noTenancy }));
  return (peer) => {
    const spiffeId = toSpiffeId(peer.uris);
    const found = known.find(({ entry }) => isMatch(entry, spiffeId, peer.subject));
    if (found === undefined) return undefined;
    return {
      ...inTenancy(found.tenancy, found.entry),
      projectId: found.entry.projectId,
      keyId: "",
      service: spiffeId ?? peer.subject,
      roles: found.entry.roles,
    };
  };
}

/** A certificate with several URIs is no SPIFFE SVID and must be rejected as one (SPIFFE X509-SVID section 2). */
function toSpiffeId(uris: readonly string[]): string | undefined {
  const [only, ...rest] = uris;
  if (only === undefined || rest.length > 0 || !only.startsWith(spiffeScheme)) return undefined;
  return isCanonical(only.slice(spiffeScheme.length)) ? only : undefined;
}

/** Dot segments, empty segments, escapes or a query could step out of the path that a pattern was written for. */
function isCanonical(rest: string): boolean {
  const segments = rest.split("/");
  return segments.every((segment) => /^[A-Za-z0-9._-]+$/.test(segment) && segment !== "." && segment !== "..");
}

function isMatch(entry: MtlsConfig, spiffeId: string | undefined, subject: string): boolean {
  if (entry.spiffe === undefined && entry.subject === undefined) return false;
  if (entry.subject !== undefined && entry.subject !== subject) return false;
  if (entry.spiffe === undefined) return true;
  if (spiffeId === undefined) return false;
  if (!entry.spiffe.endsWith("*")) return entry.spiffe === spiffeId;
  return spiffeId.startsWith(entry.spiffe.slice(0, -1)) && spiffeId.length > entry.spiffe.length - 1;
}
