import { registerServices } from "./connect/register-services.ts";
import { ServiceCalls } from "./connect/service-calls.ts";
import { inferenceGrpcMethods } from "./grpc/inference-grpc-methods.ts";
import {
  type RunningServer,
  type ServedCalls,
  type ServerHooks,
  type ServerOptions,
  serveCalls,
} from "./serve-calls.ts";
import type { Services } from "./services.ts";

/** The gateway's services on one port. Rejects with a sentence for the operator when the port cannot be had. */
export function startServer(options: ServerOptions, services: Services, hooks: ServerHooks): Promise<RunningServer> {
  const { gateway } = services;
  const { logger } = hooks;
  const served: ServedCalls = {
    gateway,
    grpcMethods: inferenceGrpcMethods(gateway, logger),
    register: (router, state) =>
      registerServices(router, services, new ServiceCalls(services, logger, state.drainSignal)),
  };
  return serveCalls(options, served, hooks);
}
