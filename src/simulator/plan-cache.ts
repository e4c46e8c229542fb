import type { Plan } from "./plan.ts";

const plansMax = 256;
const bodyBytesMax = 16 * 1024;
const planBytesMax = 512 * 1024;

/** Plans of small requests that came before: a load test sends the same few, and then costs the simulator next to nothing. */
export class PlanCache {
  readonly #plans = new Map<string, Plan>();

  take(url: string, body: Buffer, make: () => Plan): Plan {
    if (body.length > bodyBytesMax) return make();
    const key = `${url}\n${body.toString("latin1")}`;
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const plan = make();
    if (sizeOf(plan) > planBytesMax) return plan;
    // All at once rather than the oldest: what a load test needs is back in a moment.
    if (this.#plans.size >= plansMax) this.#plans.clear();
    this.#plans.set(key, plan);
    return plan;
  }
}

function sizeOf(plan: Plan): number {
  return plan.writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
