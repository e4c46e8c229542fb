import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { adminRoutes } from "../../contract.ts";
import type { TargetState } from "../../routing/router.ts";

const circuits = {
  closed: adminRoutes.CircuitState.CLOSED,
  open: adminRoutes.CircuitState.OPEN,
  "half-open": adminRoutes.CircuitState.HALF_OPEN,
} as const satisfies Record<TargetState["health"]["circuit"], adminRoutes.CircuitState>;

/** Health and load of each target, by id; one that stands in several routes is told once. */
export function toTargetStates(states: readonly TargetState[]): readonly adminRoutes.TargetState[] {
  const byId = new Map(states.map((state) => [state.target.id, state]));
  return [...byId.values()].sort((a, b) => (a.target.id < b.target.id ? -1 : 1)).map(toTargetState);
}

function toTargetState({ target, health }: TargetState): adminRoutes.TargetState {
  const { unavailableUntilMs, timeToFirstTokenMs } = health;
  return create(adminRoutes.TargetStateSchema, {
    targetId: target.id,
    circuit: circuits[health.circuit],
    inFlightRequests: health.inFlight,
    outputTokensPerSecond: health.outputTokensPerSecond ?? 0,
    failureRatio: health.failureRatio,
    ...(unavailableUntilMs === undefined ? {} : { cooldownUntilTime: timestampFromMs(unavailableUntilMs) }),
    ...(timeToFirstTokenMs === undefined ? {} : { timeToFirstToken: durationFromMs(Math.round(timeToFirstTokenMs)) }),
  });
}
