import type { ConnectRouter } from "@connectrpc/connect";
import { GetModelRequestSchema, ListModelsRequestSchema, ModelService } from "../../contract.ts";
import type { Services } from "../services.ts";
import type { ServiceCalls } from "./service-calls.ts";

export function registerModelService(router: ConnectRouter, { models }: Services, calls: ServiceCalls): void {
  router.service(ModelService, {
    listModels: calls.unary(ListModelsRequestSchema, "inference", (caller, request) => models.list(caller, request)),
    getModel: calls.unary(GetModelRequestSchema, "inference", (caller, request) => models.get(caller, request)),
  });
}
