// What a broken connection means, in the words of the domain. Messages name the kind of trouble and a stable code, never
// an address, a path, a header or bytes of the answer.
import { type FailureKind, ProviderFailure } from "../domain/provider-failure.ts";

/** How far the exchange had come: an answer that had begun is "interrupted", one that had not is "unavailable". */
export type ExchangePhase = "waiting" | "answering";

type Meaning = { readonly kind: FailureKind; readonly message: string };

const meanings: Readonly<Record<string, Meaning>> = {
  UND_ERR_CONNECT_TIMEOUT: { kind: "timeout", message: "no connection to the provider within the connect time-out" },
  ETIMEDOUT: { kind: "timeout", message: "the connection to the provider timed out" },
  ECONNREFUSED: { kind: "unavailable", message: "the provider refused the connection" },
  ENOTFOUND: { kind: "unavailable", message: "the provider's host name does not resolve" },
  EAI_AGAIN: { kind: "unavailable", message: "the provider's host name could not be resolved now" },
  EHOSTUNREACH: { kind: "unavailable", message: "no route to the provider" },
  ENETUNREACH: { kind: "unavailable", message: "no route to the provider" },
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: {
    kind: "interrupted",
    message: "the answer is shorter or longer than announced",
  },
  UND_ERR_HEADERS_OVERFLOW: { kind: "bad-response", message: "the headers of the answer are too long" },
  UND_ERR_INVALID_ARG: { kind: "rejected-request", message: "the request has a header or path that HTTP cannot carry" },
};

/** OpenSSL's and Node's codes of a failed handshake or a certificate that does not verify. */
const tlsCode =
  /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|EPROTO$)/;

/** Translates what the HTTP client or the socket reported. */
export function toConnectionFailure(error: unknown, phase: ExchangePhase): ProviderFailure {
  // undici's parse error carries bytes of the answer as a property: as a cause they would reach the log. It has no code.
  if (error instanceof Error && error.name === "HTTPParserError") return parseFailures[phase]();
  const code = codeOf(error);
  const { kind, message } = meaningOf(code, phase);
  return new ProviderFailure(kind, code === "" ? message : `${message} (${code})`, { cause: error });
}

const parseFailures: Readonly<Record<ExchangePhase, () => ProviderFailure>> = {
  waiting: () => new ProviderFailure("bad-response", "the answer is not HTTP"),
  // Mostly a chunked body that just ends, which llhttp reports as a parse error.
  answering: () => new ProviderFailure("interrupted", "the answer was cut or its framing is broken"),
};

function meaningOf(code: string, phase: ExchangePhase): Meaning {
  const known = meanings[code];
  if (known !== undefined) return known;
  if (tlsCode.test(code)) return { kind: "unavailable", message: "no TLS connection to the provider" };
  if (phase === "answering") return { kind: "interrupted", message: "the provider closed the connection mid-answer" };
  return { kind: "unavailable", message: "the connection to the provider broke before an answer" };
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
