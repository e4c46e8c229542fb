import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

/** What calls end with that outlast the drain time. Another replica can take them; a second lets a load balancer notice. */
export function shuttingDown(): CallFailure {
  return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the gateway is shutting down", { retryAfterMs: 1000 });
}
