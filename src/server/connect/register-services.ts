import type { ConnectRouter } from "@connectrpc/connect";
import type { Services } from "../services.ts";
import { registerBudgetService } from "./register-budget-service.ts";
import { registerInferenceService } from "./register-inference-service.ts";
import { registerKeyService } from "./register-key-service.ts";
import { registerModelService } from "./register-model-service.ts";
import { registerRouteService } from "./register-route-service.ts";
import { registerUsageService } from "./register-usage-service.ts";
import type { ServiceCalls } from "./service-calls.ts";

type Register = (router: ConnectRouter, services: Services, calls: ServiceCalls) => void;

/** One line a service; reflection and health list what is registered here. */
const registrations: readonly Register[] = [
  registerInferenceService,
  registerModelService,
  registerUsageService,
  registerKeyService,
  registerBudgetService,
  registerRouteService,
];

export function registerServices(router: ConnectRouter, services: Services, calls: ServiceCalls): void {
  for (const register of registrations) {
    register(router, services, calls);
  }
}
