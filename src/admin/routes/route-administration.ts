// RouteService: routes beside the models of the configuration, in force from the next call on, and how targets are doing.
import { clone, create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ModelConfig } from "../../config/config.ts";
import { adminRoutes } from "../../contract.ts";
import type { CallFailure } from "../../domain/call-failure.ts";
import type { Caller } from "../../domain/principal.ts";
import type { RoutingDesk } from "../../routing/router.ts";
import type { ObjectStore } from "../../state/objects/object-store.ts";
import type { AuditKind, AuditTrail } from "../audit/audit-trail.ts";
import { changeObject, replaceObject } from "../change-object.ts";
import { assertEtag, toEtag } from "../etag.ts";
import { resourceNotFound } from "../ownership.ts";
import { fromPageToken, pageSizeOf, toPageToken } from "../page-token.ts";
import { changedMeanwhile, invalid, isInConfig } from "../refusals.ts";
import { checkRoute } from "./check-route.ts";
import { type RouteIndex, type StoredRoute, toRouteObject } from "./route-index.ts";
import { formatRoute, fromModelConfig } from "./route-model.ts";
import { toTargetStates } from "./target-states.ts";

export type RouteAdministrationParts = {
  readonly store: ObjectStore;
  readonly index: RouteIndex;
  /** Models of the configuration: shown, never changed. */
  readonly models: readonly ModelConfig[];
  readonly router: Pick<RoutingDesk, "targetStates" | "targets">;
  readonly audit: AuditTrail;
  readonly nowMs: () => number;
};

type Route = adminRoutes.Route;

export class RouteAdministration {
  readonly #parts: RouteAdministrationParts;

  constructor(parts: RouteAdministrationParts) {
    this.#parts = parts;
  }

  async put(caller: Caller, request: adminRoutes.PutRouteRequest): Promise<adminRoutes.PutRouteResponse> {
    const { store, index, nowMs } = this.#parts;
    const wanted = request.route ?? create(adminRoutes.RouteSchema);
    const { routeId, etag } = wanted;
    if (index.isConfigured(routeId)) throw isInConfig("route", routeId);
    checkRoute(wanted, index);
    const route = clone(adminRoutes.RouteSchema, wanted);
    route.etag = "";
    route.updateTime = timestampFromMs(nowMs());
    if (request.validateOnly) return create(adminRoutes.PutRouteResponseSchema, { route });
    const key = toRouteObject(routeId);
    const value = formatRoute(route);
    const stored = await changeObject(store, key, async (current) => {
      if (current === undefined && etag !== "") throw changedMeanwhile("route", routeId);
      if (current !== undefined) assertEtag(etag, current.revision, "route", routeId);
      const revision =
        current === undefined
          ? await store.put(key, value, "absent")
          : await replaceObject(store, { ...current, value }, { etag, type: "route", id: routeId });
      index.apply({ kind: "put", object: { key, value, revision } });
      return { route, revision };
    });
    index.refresh();
    await this.#audit("route.put", caller, routeId);
    return create(adminRoutes.PutRouteResponseSchema, { route: toAnswer(stored) });
  }

  get(caller: Caller, { routeId }: adminRoutes.GetRouteRequest): adminRoutes.GetRouteResponse {
    const route = this.#all().find((known) => known.routeId === routeId);
    if (route === undefined) throw this.#notFound(caller, routeId);
    return create(adminRoutes.GetRouteResponseSchema, { route });
  }

  list(_caller: Caller, request: adminRoutes.ListRoutesRequest): adminRoutes.ListRoutesResponse {
    const { page, nextPageToken } = toPage(this.#all(), ({ routeId }) => routeId, request);
    return create(adminRoutes.ListRoutesResponseSchema, { routes: page, nextPageToken });
  }

  async delete(
    caller: Caller,
    { routeId, etag }: adminRoutes.DeleteRouteRequest,
  ): Promise<adminRoutes.DeleteRouteResponse> {
    const { store, index } = this.#parts;
    if (index.isConfigured(routeId)) throw isInConfig("route", routeId);
    const key = toRouteObject(routeId);
    await changeObject(store, key, async (current) => {
      if (current === undefined) throw this.#notFound(caller, routeId);
      assertEtag(etag, current.revision, "route", routeId);
      this.#assertUnused(routeId);
      await store.delete(key, current.revision);
      index.apply({ kind: "deleted", key, revision: current.revision });
    });
    index.refresh();
    await this.#audit("route.deleted", caller, routeId);
    return create(adminRoutes.DeleteRouteResponseSchema);
  }

  listTargetStates(caller: Caller, request: adminRoutes.ListTargetStatesRequest): adminRoutes.ListTargetStatesResponse {
    const { router, nowMs } = this.#parts;
    const { routeId } = request;
    if (routeId !== "" && router.targets(routeId) === undefined) throw this.#notFound(caller, routeId);
    const states = router.targetStates(nowMs()).filter(({ modelId }) => routeId === "" || modelId === routeId);
    const { page, nextPageToken } = toPage(toTargetStates(states), ({ targetId }) => targetId, request);
    return create(adminRoutes.ListTargetStatesResponseSchema, { states: page, nextPageToken });
  }

  #all(): readonly Route[] {
    const { index, models } = this.#parts;
    return [...models.map(fromModelConfig), ...[...index.values()].map(toAnswer)];
  }

  #assertUnused(routeId: string): void {
    const user = [...this.#parts.index.values()].find(({ route }) => route.fallbackRouteIds.includes(routeId));
    if (user === undefined) return;
    throw invalid({ field: "route_id", description: `the route ${user.route.routeId} falls back to it` });
  }

  #notFound(caller: Caller, routeId: string): CallFailure {
    const resource = `route/${routeId}`;
    this.#parts.audit.denied({ kind: "resource.denied", caller, resource, reason: "RESOURCE_NOT_FOUND" });
    return resourceNotFound("route", routeId);
  }

  #audit(kind: AuditKind, caller: Caller, routeId: string): Promise<void> {
    return this.#parts.audit.act({ kind, caller, resource: `route/${routeId}`, reason: "" });
  }
}

function toAnswer({ route, revision }: StoredRoute): Route {
  const answer = clone(adminRoutes.RouteSchema, route);
  answer.etag = toEtag(revision);
  return answer;
}

/** A page of items in the order of their ids. */
function toPage<Item>(
  items: readonly Item[],
  idOf: (item: Item) => string,
  request: { readonly pageSize: number; readonly pageToken: string },
): { readonly page: Item[]; readonly nextPageToken: string } {
  const after = request.pageToken === "" ? "" : fromPageToken(request.pageToken);
  const rest = items.filter((item) => idOf(item) > after).sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const page = rest.slice(0, pageSizeOf(request.pageSize));
  const last = page.at(-1);
  return { page, nextPageToken: last === undefined || page.length === rest.length ? "" : toPageToken(idOf(last)) };
}
