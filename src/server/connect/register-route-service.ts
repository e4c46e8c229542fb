import type { ConnectRouter } from "@connectrpc/connect";
import { adminRoutes } from "../../contract.ts";
import type { Services } from "../services.ts";
import type { ServiceCalls } from "./service-calls.ts";

export function registerRouteService(router: ConnectRouter, { routes }: Services, calls: ServiceCalls): void {
  if (routes === undefined) return;
  router.service(adminRoutes.RouteService, {
    putRoute: calls.unary(adminRoutes.PutRouteRequestSchema, "platform", (caller, request) =>
      routes.put(caller, request),
    ),
    getRoute: calls.unary(adminRoutes.GetRouteRequestSchema, "platform", (caller, request) =>
      routes.get(caller, request),
    ),
    listRoutes: calls.unary(adminRoutes.ListRoutesRequestSchema, "platform", (caller, request) =>
      routes.list(caller, request),
    ),
    deleteRoute: calls.unary(adminRoutes.DeleteRouteRequestSchema, "platform", (caller, request) =>
      routes.delete(caller, request),
    ),
    listTargetStates: calls.unary(adminRoutes.ListTargetStatesRequestSchema, "platform", (caller, request) =>
      routes.listTargetStates(caller, request),
    ),
  });
}
