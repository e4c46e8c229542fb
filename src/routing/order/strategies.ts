import type { Strategy } from "../../config/config.ts";
import { RoutingStrategy } from "../../contract.ts";
import { orderByCost } from "./cost.ts";
import { orderByLatency } from "./latency.ts";
import { orderByLoad } from "./least-busy.ts";
import type { OrderTargets } from "./order-context.ts";
import { orderByPriority } from "./priority.ts";
import { orderByThroughput } from "./throughput.ts";
import { orderByWeight } from "./weighted.ts";

/** One line a strategy. */
export const strategies = {
  priority: orderByPriority,
  weighted: orderByWeight,
  cost: orderByCost,
  latency: orderByLatency,
  throughput: orderByThroughput,
  least_busy: orderByLoad,
} as const satisfies Record<Strategy, OrderTargets>;

const wished: Readonly<Record<number, Strategy>> = {
  [RoutingStrategy.PRIORITY]: "priority",
  [RoutingStrategy.WEIGHTED]: "weighted",
  [RoutingStrategy.COST]: "cost",
  [RoutingStrategy.LATENCY]: "latency",
  [RoutingStrategy.THROUGHPUT]: "throughput",
  [RoutingStrategy.LEAST_BUSY]: "least_busy",
};

/** The strategy that a caller asks for; `undefined`: as configured. */
export function fromRoutingStrategy(strategy: RoutingStrategy): Strategy | undefined {
  return wished[strategy];
}
