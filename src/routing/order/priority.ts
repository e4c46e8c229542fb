import type { OrderTargets } from "./order-context.ts";

/** In the configured order. */
export const orderByPriority: OrderTargets = (targets) => targets;
