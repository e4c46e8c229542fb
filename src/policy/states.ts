// States by key that are made when first needed. Those of configured scopes are as many as the config and the tenants
// make them; those of end users come with the traffic, so they are bounded and swept when idle.
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

export interface States<State> {
  /** Throws `CallFailure` GATEWAY_OVERLOADED when too many end users are active at once. */
  get(key: string, isOfEndUser: boolean, create: () => State): State;
  find(key: string): State | undefined;
  values(): Iterable<State>;
  /** Forgets those of end users that `retire` allows to forget. */
  sweep(retire: (state: State) => boolean | Promise<boolean>): Promise<void>;
}

const limits = { endUsersMax: 500_000, retryAfterMs: 1_000 } as const;

export function createStates<State>(): States<State> {
  const lasting = new Map<string, State>();
  const ofEndUsers = new Map<string, State>();
  return {
    get(key, isOfEndUser, create) {
      const states = isOfEndUser ? ofEndUsers : lasting;
      const known = states.get(key);
      if (known !== undefined) return known;
      if (isOfEndUser && states.size >= limits.endUsersMax) {
        throw new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "limits of too many end users are tracked", {
          retryAfterMs: limits.retryAfterMs,
        });
      }
      const state = create();
      states.set(key, state);
      return state;
    },
    find: (key) => lasting.get(key) ?? ofEndUsers.get(key),
    *values() {
      yield* lasting.values();
      yield* ofEndUsers.values();
    },
    async sweep(retire) {
      const pending: Promise<void>[] = [];
      for (const [key, state] of ofEndUsers) {
        const verdict = retire(state);
        // At once where it is known at once: a call that came in between would count in a state that is then forgotten.
        if (verdict === true) ofEndUsers.delete(key);
        else if (verdict !== false)
          pending.push(verdict.then((isRetired) => void (isRetired && ofEndUsers.delete(key))));
      }
      await Promise.all(pending);
    },
  };
}
