import type { ConnectRouter } from "@connectrpc/connect";
import { adminKeys } from "../../contract.ts";
import type { Services } from "../services.ts";
import type { ServiceCalls } from "./service-calls.ts";

export function registerKeyService(router: ConnectRouter, { keys }: Services, calls: ServiceCalls): void {
  if (keys === undefined) return;
  router.service(adminKeys.KeyService, {
    createKey: calls.unary(adminKeys.CreateKeyRequestSchema, "admin", (caller, request) =>
      keys.create(caller, request),
    ),
    getKey: calls.unary(adminKeys.GetKeyRequestSchema, "admin", (caller, request) => keys.get(caller, request)),
    listKeys: calls.unary(adminKeys.ListKeysRequestSchema, "admin", (caller, request) => keys.list(caller, request)),
    updateKey: calls.unary(adminKeys.UpdateKeyRequestSchema, "admin", (caller, request) =>
      keys.update(caller, request),
    ),
    rotateKey: calls.unary(adminKeys.RotateKeyRequestSchema, "admin", (caller, request) =>
      keys.rotate(caller, request),
    ),
    deleteKey: calls.unary(adminKeys.DeleteKeyRequestSchema, "admin", (caller, request) =>
      keys.delete(caller, request),
    ),
  });
}
