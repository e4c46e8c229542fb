/**
 * Why a client got no TLS connection. All but the last are of a client certificate: somebody who wanted to be let in.
 * "not-spoken": clear text, noise, a hang-up, or a client that cannot agree with us or does not trust us.
 */
export type HandshakeRefusal =
  | "client-certificate-missing"
  | "client-certificate-expired"
  | "client-certificate-not-yet-valid"
  | "client-certificate-revoked"
  | "client-certificate-untrusted"
  | "client-certificate-unfit"
  | "not-spoken";

/** By the code of what OpenSSL found wrong with a certificate; what is not listed makes it unfit. */
const refusalByVerifyCode: ReadonlyMap<string, HandshakeRefusal> = new Map([
  ["CERT_HAS_EXPIRED", "client-certificate-expired"],
  ["CERT_NOT_YET_VALID", "client-certificate-not-yet-valid"],
  ["CERT_REVOKED", "client-certificate-revoked"],
  ["CERT_SIGNATURE_FAILURE", "client-certificate-untrusted"],
  ["CERT_UNTRUSTED", "client-certificate-untrusted"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "client-certificate-untrusted"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "client-certificate-untrusted"],
  ["UNABLE_TO_GET_ISSUER_CERT", "client-certificate-untrusted"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "client-certificate-untrusted"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "client-certificate-untrusted"],
]);

/**
 * From the two arguments of Node's `tlsClientError`. A certificate that does not verify closes the socket without an error
 * of its own (nodejs/node `lib/internal/tls/wrap.js`, `onServerSocketSecure`, seen 2026-11-25): why stands on the socket.
 */
export function toHandshakeRefusal(
  error: { readonly code?: string | undefined },
  socket: { readonly authorizationError?: unknown },
): HandshakeRefusal {
  if (error.code === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE") return "client-certificate-missing";
  const { authorizationError } = socket;
  if (typeof authorizationError !== "string") return "not-spoken";
  return refusalByVerifyCode.get(authorizationError) ?? "client-certificate-unfit";
}
