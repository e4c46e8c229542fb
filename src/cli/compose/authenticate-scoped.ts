import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Caller, CallerRole } from "../../domain/principal.ts";
import type { Authenticator, Clock } from "../../pipeline/ports.ts";
import { mayCallMethod } from "../../policy/authorise.ts";
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

/** `onDenied` hears of a caller that is known and may not; must not throw. */
export function authenticateScoped(
  authenticator: Authenticator,
  clock: Clock,
  onDenied: (caller: Caller, method: string) => void,
): Services["authenticate"] {
  const checked = (caller: Caller, need: CallerRole, method: string): Caller => {
    const hasRole = rolesByNeed[need].some((role) => caller.roles.includes(role));
    if (hasRole && mayCallMethod(caller, method)) return caller;
    onDenied(caller, method);
    throw new CallFailure(ErrorReason.PERMISSION_DENIED, "the credential does not allow this method");
  };
  return (start, role, method) => {
    const caller = authenticator.authenticate(start, clock.nowMs());
    return caller instanceof Promise
      ? caller.then((known) => checked(known, role, method))
      : checked(caller, role, method);
  };
}
