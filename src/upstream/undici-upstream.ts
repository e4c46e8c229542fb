// The network: one pool of connections for each provider and origin. The files beside this one are the only place where
// sockets to providers open.
import type { HttpRequest } from "../domain/http.ts";
import { ProviderPool, type ProviderPoolOptions } from "./provider-pool.ts";
import type { Exchange, ExchangeHandler, Upstream } from "./upstream.ts";

/** What the upstream needs of a `ProviderConfig`, and takes it as it is. */
export type UpstreamProvider = {
  readonly settings: { readonly id: string };
  readonly timeouts: { readonly connectMs: number };
  /** Connections to one origin; with HTTP/1.1 also the exchanges under way at once. */
  readonly maxConnections: number;
  readonly http2: boolean;
};

export type UpstreamOptions = {
  readonly providers: readonly UpstreamProvider[];
  /** Requests that may wait for a connection, for each pool. Default 1,024. */
  readonly waitingMax?: number | undefined;
  /** Length of the header section of an answer. Default 32 KiB. */
  readonly responseHeaderBytesMax?: number | undefined;
  /** How long an unused connection is kept, unless the provider says less. Default 30 s. */
  readonly keepAliveMs?: number | undefined;
  /** HTTP/2: streams on one connection, unless the provider says less. Default 100. */
  readonly streamsPerConnectionMax?: number | undefined;
  /** PEM certificates trusted beside Node's own. Default none. */
  readonly trustedCertificates?: readonly string[] | undefined;
};

/** Opens nothing until the first `dispatch`, which throws only for a provider id that was not configured. */
export function createUpstream(options: UpstreamOptions): Upstream {
  return new UndiciUpstream(options);
}

class UndiciUpstream implements Upstream {
  readonly #optionsByProvider: ReadonlyMap<string, ProviderPoolOptions>;
  /** Bounded by the config: provider ids times the origins that their translation can name. */
  readonly #pools = new Map<string, ProviderPool>();
  #closing = false;

  constructor(options: UpstreamOptions) {
    this.#optionsByProvider = new Map(
      options.providers.map((provider) => [provider.settings.id, toPoolOptions(provider, options)]),
    );
  }

  dispatch(providerId: string, request: HttpRequest, handler: ExchangeHandler): Exchange {
    return this.#pool(providerId, request.origin).dispatch(request, handler);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#pools.values()].map((pool) => pool.close()));
  }

  #pool(providerId: string, origin: string): ProviderPool {
    const key = `${providerId} ${origin}`;
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    const options = this.#optionsByProvider.get(providerId);
    if (options === undefined) throw new Error(`no provider "${providerId}" is configured`);
    const pool = new ProviderPool(origin, options);
    // It then refuses everything, as the others do.
    if (this.#closing) void pool.close();
    this.#pools.set(key, pool);
    return pool;
  }
}

function toPoolOptions(provider: UpstreamProvider, options: UpstreamOptions): ProviderPoolOptions {
  return {
    maxConnections: provider.maxConnections,
    http2: provider.http2,
    connectTimeoutMs: provider.timeouts.connectMs,
    waitingMax: options.waitingMax ?? 1_024,
    responseHeaderBytesMax: options.responseHeaderBytesMax ?? 32 * 1024,
    keepAliveMs: options.keepAliveMs ?? 30_000,
    streamsPerConnectionMax: options.streamsPerConnectionMax ?? 100,
    trustedCertificates: options.trustedCertificates ?? [],
  };
}
