// What the client is told about TLS. Two things that it does not do by itself are done here:
// - `tls://` in an address is no promise to it: a server that offers no TLS would be spoken to in clear text.
// - It names no host to Node for a server that is known by its IP address, so that Node checks the certificate against
//   "localhost" (transport-node 3.4.0, seen 2026-11-25).
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { NodeConnectionOptions } from "@nats-io/transport-node";
import type { NatsAccess } from "./connect-nats.ts";

type NatsTls = NonNullable<NodeConnectionOptions["tls"]>;

/** `undefined`: clear text will do, unless the server asks for TLS. */
export function natsTls({ servers, tls }: NatsAccess): NatsTls | undefined {
  const urls = servers.map((server) => new URL(server));
  if (tls === undefined && urls.every(({ protocol }) => protocol !== "tls:")) return undefined;
  const hosts = urls.map(({ hostname }) => hostname.replace(/^\[|\]$/g, ""));
  const { caFile, certFile, keyFile } = tls ?? {};
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...{ checkServerIdentity: (host: string, certificate: PeerCertificate) => identify(host, certificate, hosts) },
  };
}

/** A certificate must name the host that was dialled, or, where that was an IP address, a configured address. */
function identify(host: string, certificate: PeerCertificate, configured: readonly string[]): Error | undefined {
  const names = host === noName ? configured.filter((name) => name === noName || isIP(name) !== 0) : [host];
  const refusals = names.map((name) => checkServerIdentity(name, certificate));
  return refusals.includes(undefined) ? undefined : (refusals[0] ?? checkServerIdentity(host, certificate));
}

/** What Node checks when no name is given. */
const noName = "localhost";
