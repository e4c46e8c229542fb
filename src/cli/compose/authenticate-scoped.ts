import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Caller, CallerRole } from "../../domain/principal.ts";
import type { Authenticator, Clock } from "../../pipeline/ports.ts";
import type { Services } from "../../server/services.ts";

/**
 * Roles that open what `Services` serves. Everybody may read usage: who has no role for it sees its own key alone
 * (`usageScopeOf`).
 */
const rolesByNeed: Readonly<Record<CallerRole, readonly CallerRole[]>> = {
  inference: ["inference", "usage", "admin", "platform"],
  usage: ["inference", "usage", "admin", "platform"],
  admin: ["admin", "platform"],
  platform: ["platform"],
};

export function authenticateScoped(authenticator: Authenticator, clock: Clock): Services["authenticate"] {
  return (start, role) => {
    const caller = authenticator.authenticate(start, clock.nowMs());
    return caller instanceof Promise ? caller.then((known) => checked(known, role)) : checked(caller, role);
  };
}

function checked(caller: Caller, need: CallerRole): Caller {
  if (rolesByNeed[need].some((role) => caller.roles.includes(role))) return caller;
  throw new CallFailure(ErrorReason.PERMISSION_DENIED, "the credential does not allow this method");
}
