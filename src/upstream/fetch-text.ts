// Small answers as text: secrets, tokens, keys of an identity provider. Its own pools, so that a full line to a provider
// never keeps a token from being renewed.
import type { HttpRequest } from "../domain/http.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { createUpstream } from "./undici-upstream.ts";
import type { Exchange, Upstream } from "./upstream.ts";

export type TextAnswer = { readonly status: number; readonly text: string };

/** Rejects with `ProviderFailure`: no connection, time-out, or an answer beyond the limit. Any status is an answer. */
export type FetchText = (request: HttpRequest) => Promise<TextAnswer>;

export type TextFetcherOptions = {
  /** For the whole exchange. Default 10 s. */
  readonly timeoutMs?: number | undefined;
  /** Default 1 MiB. */
  readonly bytesMax?: number | undefined;
  /** PEM certificates trusted beside Node's own. Default none. */
  readonly trustedCertificates?: readonly string[] | undefined;
};

const poolId = "text";
const connectionsMax = 16;

export function createTextFetcher(options: TextFetcherOptions = {}): { fetchText: FetchText; close(): Promise<void> } {
  const timeoutMs = options.timeoutMs ?? 10_000;
  const bytesMax = options.bytesMax ?? 1 << 20;
  const upstream = createUpstream({
    providers: [
      { settings: { id: poolId }, timeouts: { connectMs: timeoutMs }, maxConnections: connectionsMax, http2: false },
    ],
    trustedCertificates: options.trustedCertificates,
  });
  return { fetchText: (request) => fetchText(upstream, request, timeoutMs, bytesMax), close: () => upstream.close() };
}

function fetchText(upstream: Upstream, request: HttpRequest, timeoutMs: number, bytesMax: number): Promise<TextAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let status = 0;
    let length = 0;
    const exchange: Exchange = upstream.dispatch(poolId, request, {
      onStart(given) {
        status = given;
      },
      onData(bytes) {
        length += bytes.length;
        if (length > bytesMax) give(new ProviderFailure("bad-response", "the answer is longer than the limit"));
        else chunks.push(bytes);
      },
      onEnd() {
        clearTimeout(timer);
        resolve({ status, text: Buffer.concat(chunks).toString() });
      },
      onFailure(failure) {
        clearTimeout(timer);
        reject(failure);
      },
    });
    const timer = setTimeout(() => give(new ProviderFailure("timeout", "no answer within the time-out")), timeoutMs);

    function give(failure: ProviderFailure): void {
      clearTimeout(timer);
      exchange.abort();
      reject(failure);
    }
  });
}

/** A request for an absolute address. Throws `TypeError` when it is none. */
export function toRequest(
  url: string,
  rest: Partial<Pick<HttpRequest, "method" | "headers" | "body">> = {},
): HttpRequest {
  const { origin, pathname, search } = new URL(url);
  return { method: "GET", headers: {}, body: "", ...rest, origin, path: pathname + search };
}
