import type { ConnectRouter } from "@connectrpc/connect";
import {
  CorrectUsageRequestSchema,
  ListUsageEventsRequestSchema,
  QueryUsageRequestSchema,
  UsageService,
  WatchUsageEventsRequestSchema,
} from "../../contract.ts";
import type { Services } from "../services.ts";
import type { ServiceCalls } from "./service-calls.ts";

export function registerUsageService(router: ConnectRouter, { usage }: Services, calls: ServiceCalls): void {
  router.service(UsageService, {
    queryUsage: calls.unary(QueryUsageRequestSchema, "usage", (caller, request, signal) =>
      usage.query(caller, request, signal),
    ),
    listUsageEvents: calls.unary(ListUsageEventsRequestSchema, "usage", (caller, request, signal) =>
      usage.list(caller, request, signal),
    ),
    watchUsageEvents: calls.serverStream(WatchUsageEventsRequestSchema, "usage", (caller, request, signal) =>
      usage.watch(caller, request, signal),
    ),
    correctUsage: calls.unary(CorrectUsageRequestSchema, "platform", (caller, request) =>
      usage.correct(caller, request),
    ),
  });
}
