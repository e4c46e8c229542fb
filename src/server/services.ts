import type {
  adminBudgets,
  adminKeys,
  adminRoutes,
  CorrectUsageRequest,
  CorrectUsageResponse,
  ExplainRequest,
  ExplainResponse,
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
  /**
   * Who calls, if the credential has the role and may call the method ("package.Service/Method"). Throws `CallFailure`
   * CREDENTIALS_INVALID or PERMISSION_DENIED.
   */
  authenticate(start: Pick<CallStart, "header" | "peer">, role: CallerRole, method: string): Later<Caller>;
  readonly models: ModelQueries;
  /** What would happen to a completion, without consequences. */
  explain(caller: Caller, request: ExplainRequest): Later<ExplainResponse>;
  readonly usage: UsageQueries & UsageCommands;
  /** Absent: the service is not there. */
  readonly keys?: KeyCommands | undefined;
  readonly budgets?: BudgetCommands | undefined;
  readonly routes?: RouteCommands | undefined;
}

export interface ModelQueries {
  list(caller: Caller, request: ListModelsRequest): Later<ListModelsResponse>;
  get(caller: Caller, request: GetModelRequest): Later<GetModelResponse>;
}

export interface UsageQueries {
  /** Both give up when `signal` aborts. */
  query(caller: Caller, request: QueryUsageRequest, signal: AbortSignal): Later<QueryUsageResponse>;
  list(caller: Caller, request: ListUsageEventsRequest, signal: AbortSignal): Later<ListUsageEventsResponse>;
  /** Ends when `signal` aborts. */
  watch(caller: Caller, request: WatchUsageEventsRequest, signal: AbortSignal): AsyncIterable<WatchUsageEventsResponse>;
}

export interface UsageCommands {
  correct(caller: Caller, request: CorrectUsageRequest): Later<CorrectUsageResponse>;
}

export interface KeyCommands {
  create(caller: Caller, request: adminKeys.CreateKeyRequest): Later<adminKeys.CreateKeyResponse>;
  get(caller: Caller, request: adminKeys.GetKeyRequest): Later<adminKeys.GetKeyResponse>;
  list(caller: Caller, request: adminKeys.ListKeysRequest): Later<adminKeys.ListKeysResponse>;
  update(caller: Caller, request: adminKeys.UpdateKeyRequest): Later<adminKeys.UpdateKeyResponse>;
  rotate(caller: Caller, request: adminKeys.RotateKeyRequest): Later<adminKeys.RotateKeyResponse>;
  delete(caller: Caller, request: adminKeys.DeleteKeyRequest): Later<adminKeys.DeleteKeyResponse>;
}

export interface BudgetCommands {
  create(caller: Caller, request: adminBudgets.CreateBudgetRequest): Later<adminBudgets.CreateBudgetResponse>;
  get(caller: Caller, request: adminBudgets.GetBudgetRequest): Later<adminBudgets.GetBudgetResponse>;
  list(caller: Caller, request: adminBudgets.ListBudgetsRequest): Later<adminBudgets.ListBudgetsResponse>;
  update(caller: Caller, request: adminBudgets.UpdateBudgetRequest): Later<adminBudgets.UpdateBudgetResponse>;
  delete(caller: Caller, request: adminBudgets.DeleteBudgetRequest): Later<adminBudgets.DeleteBudgetResponse>;
}

export interface RouteCommands {
  put(caller: Caller, request: adminRoutes.PutRouteRequest): Later<adminRoutes.PutRouteResponse>;
  get(caller: Caller, request: adminRoutes.GetRouteRequest): Later<adminRoutes.GetRouteResponse>;
  list(caller: Caller, request: adminRoutes.ListRoutesRequest): Later<adminRoutes.ListRoutesResponse>;
  delete(caller: Caller, request: adminRoutes.DeleteRouteRequest): Later<adminRoutes.DeleteRouteResponse>;
  listTargetStates(
    caller: Caller,
    request: adminRoutes.ListTargetStatesRequest,
  ): Later<adminRoutes.ListTargetStatesResponse>;
}
