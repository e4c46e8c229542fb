// What went wrong with NATS, in words that name the setting to look at. What Node or the server said follows in brackets:
// it holds hosts and subjects, never a credential.
import type { NatsAccess } from "./connect-nats.ts";

const untrusted = "the certificate of NATS is signed by nobody whom this gateway trusts: look at tls.ca_file";

/** By the code that Node gives. */
const byCode: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_HAS_EXPIRED: "the certificate of NATS has expired",
  CERT_NOT_YET_VALID: "the certificate of NATS is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate of NATS is for another name than the address in servers",
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: "tls.key_file is not the key of tls.cert_file",
};

/** By words of the client and the server. */
const byWords: readonly (readonly [RegExp, string])[] = [
  [
    /authorization violation|authentication (?:expired|timeout)/i,
    "NATS refuses the credentials: look at credentials and nkey",
  ],
  [/unable to parse credentials/, "credentials is not the content of a .creds file"],
  [/^nkeys: /, "nkey is not the seed of an nkey, which begins with SU"],
  [/does not support 'tls'/, "NATS offers no TLS, and the config asks for it"],
  [/permissions violation for publish/i, "the NATS user may not publish there"],
  [/permissions violation for subscription/i, "the NATS user may not get replies: look at inbox_prefix"],
];

/** One line. `access`: what was connected with; settings are named as they stand in `usage.nats` and `cluster.nats`. */
export function explainNatsError(error: unknown, access?: NatsAccess): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : error;
  const said = error.message.split("\n", 1)[0] ?? "";
  const known = byCode[codeOf(cause)] ?? byWords.find(([words]) => words.test(said))?.[1];
  if (known !== undefined) return `${known} (${said})`;
  // With TLS 1.3 a server refuses a client's certificate after the handshake: the client hears nothing but the end.
  if (error.name === "TimeoutError" && access?.tls !== undefined) {
    return "NATS did not go on after TLS: it may want another client certificate, look at tls.cert_file";
  }
  return said;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
