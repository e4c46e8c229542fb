import type { HttpHeaders } from "../domain/http.ts";
import type { SharedCalls } from "../domain/shared-calls.ts";
import type { Provider } from "../providers/provider.ts";
import type { Router } from "../routing/itinerary.ts";
import type { Upstream } from "../upstream/upstream.ts";
import type { Admission, Authenticator, CallObserver, Clock, CredentialStore, Ledger, Pricer } from "./ports.ts";

/** Everything that the life of a call is made of. `main.ts` and the tests of the pipeline compose it. */
export type PipelineParts = {
  readonly authenticator: Authenticator;
  readonly router: Router;
  readonly admission: Admission;
  readonly ledger: Ledger;
  readonly pricer: Pricer;
  readonly credentials: CredentialStore;
  readonly upstream: Upstream;
  /** By id of the config entry. */
  readonly providers: ReadonlyMap<string, ConfiguredProvider>;
  readonly observer: CallObserver;
  readonly clock: Clock;
  /** Ids that sort by time. */
  readonly newId: (nowMs: number) => string;
  /** Continues the caller's trace, or begins one; headers as they came. */
  readonly traceOf: (traceparent: string | undefined, tracestate: string | undefined) => TraceIds;
  readonly limits: PipelineLimits;
  /** Calls that other replicas may be asked for; absent: this replica is alone. */
  readonly sharedCalls?: SharedCalls | undefined;
};

export type ConfiguredProvider = {
  readonly provider: Provider;
  readonly timeouts: { readonly firstTokenMs: number; readonly idleMs: number; readonly totalMs: number };
  /** Least speed of a stream of chat after its first content; `undefined`: none. */
  readonly minRate?: { readonly tokensPerSecond: number; readonly windowMs: number } | undefined;
};

/** Hex, lower case: 32 and 16 digits. */
export type TraceIds = {
  readonly traceId: string;
  readonly spanId: string;
  /** Span of the caller; `undefined`: the trace begins here. */
  readonly parentSpanId?: string | undefined;
  /** The caller's decision; `undefined`: none. */
  readonly sampled?: boolean | undefined;
};

export type PipelineLimits = {
  /** Most bytes of a unary answer. Past it the answer is a bad response. */
  readonly responseBytesMax: number;
  /** Most bytes read of an error answer; the rest is not read. */
  readonly errorBytesMax: number;
  /** Most bytes of one event of a stream. */
  readonly eventBytesMax: number;
  /** Longest silence before a heartbeat, unless the caller says otherwise. */
  readonly heartbeatMs: number;
  /** Output tokens assumed for a reservation when neither the request nor the catalogue limits them. */
  readonly outputTokensAssumed: number;
  /** Reserved for each tool that the provider runs and whose calls the request does not bound. */
  readonly toolCallsAssumed: number;
};

export const defaultPipelineLimits: PipelineLimits = {
  responseBytesMax: 64 << 20,
  errorBytesMax: 64 << 10,
  eventBytesMax: 32 << 20,
  heartbeatMs: 15_000,
  outputTokensAssumed: 4096,
  toolCallsAssumed: 10,
};

const requestIdHeaders = ["x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "cf-ray"] as const;

/** The provider's id of the request, for its support desk; "" when it gave none. */
export function providerRequestIdOf(headers: HttpHeaders): string {
  for (const name of requestIdHeaders) {
    const value = headers[name];
    if (value !== undefined) return value.slice(0, 128);
  }
  return "";
}
