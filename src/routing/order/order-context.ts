import type { RoutedTarget } from "../route.ts";
import type { RoutingLimits } from "../routing-limits.ts";

/** What a strategy may look at beside the targets. */
export type OrderContext = {
  readonly nowMs: number;
  /** What keeps a caller's requests together: affinity key, end user or conversation; "": nothing. */
  readonly stickyKey: string;
  /** Output tokens to expect of this target for this request. */
  readonly outputTokens: (target: RoutedTarget) => number;
  /** Nano-USD; `undefined`: no price known. */
  readonly expectedCost: (target: RoutedTarget) => number | undefined;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly limits: RoutingLimits;
};

/** Puts the targets of one model into the order in which to try them. Returns a new array. */
export type OrderTargets = (targets: readonly RoutedTarget[], context: OrderContext) => readonly RoutedTarget[];
