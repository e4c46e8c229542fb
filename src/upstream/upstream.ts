// The port to the network: executes an `HttpRequest`, pushes what comes back. Callbacks rather than promises and
// iterables, since a chunk costs 3 µs this way and 15 to 27 the other (docs/performance.md).
import type { HttpHeaders, HttpRequest } from "../domain/http.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";

export interface ExchangeHandler {
  /** Status line and headers of the final answer (1xx are skipped). */
  onStart(status: number, headers: HttpHeaders): void;
  /** A piece of the body, decompressed, never empty. The bytes are the receiver's to keep: nothing writes to them again. */
  onData(bytes: Uint8Array): void;
  /** The body is complete. Nothing follows. */
  onEnd(): void;
  /** The exchange failed: no connection, connect time-out, reset, cut body. Nothing follows. Not called after `abort`. */
  onFailure(failure: ProviderFailure): void;
}

export interface Exchange {
  /** Closes the provider's connection (HTTP/1.1) or stream (HTTP/2) at once. The handler hears nothing more. */
  abort(): void;
  /** Stops reading: backpressure reaches the provider. What was read already (64 KiB at most), and the end, may still come. */
  pause(): void;
  resume(): void;
}

export interface Upstream {
  /** Starts the exchange over the pool of this provider. Never throws for what the network does. */
  dispatch(providerId: string, request: HttpRequest, handler: ExchangeHandler): Exchange;
  /** Ends idle connections; waits for those in use. */
  close(): Promise<void>;
}
