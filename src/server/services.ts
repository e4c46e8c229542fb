import type {
  GetModelRequest,
  GetModelResponse,
  ListModelsRequest,
  ListModelsResponse,
  ListUsageEventsRequest,
  ListUsageEventsResponse,
  QueryUsageRequest,
  QueryUsageResponse,
  WatchUsageEventsRequest,
  WatchUsageEventsResponse,
} from "../contract.ts";
import type { Caller, CallerRole } from "../domain/principal.ts";
import type { CallStart, Gateway } from "../pipeline/ports.ts";

type Later<Value> = Value | Promise<Value>;

/** What the server listens for. Every function may throw (or reject with) `CallFailure`; anything else becomes INTERNAL. */
export interface Services {
  readonly gateway: Gateway;
  /** Who calls, if the credential has the role. Throws `CallFailure` CREDENTIALS_INVALID or PERMISSION_DENIED. */
  authenticate(start: Pick<CallStart, "header" | "peer">, role: CallerRole): Later<Caller>;
  readonly models: ModelQueries;
  readonly usage: UsageQueries;
}

export interface ModelQueries {
  list(caller: Caller, request: ListModelsRequest): Later<ListModelsResponse>;
  get(caller: Caller, request: GetModelRequest): Later<GetModelResponse>;
}

export interface UsageQueries {
  query(caller: Caller, request: QueryUsageRequest): Later<QueryUsageResponse>;
  list(caller: Caller, request: ListUsageEventsRequest): Later<ListUsageEventsResponse>;
  /** Ends when `signal` aborts. */
  watch(caller: Caller, request: WatchUsageEventsRequest, signal: AbortSignal): AsyncIterable<WatchUsageEventsResponse>;
}
