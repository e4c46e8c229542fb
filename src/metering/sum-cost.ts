import type { Cost, CostItem } from "../contract.ts";
import { toAmountNanoUsd } from "./price.ts";

/**
 * What all attempts cost together. Lines of the same meter, tool and price become one where that keeps both laws of a
 * cost: the amount is quantity × price rounded once, and the total is the sum of what the attempts cost. Where rounding
 * would break the second, the lines stay apart. The version of the list is that of the last attempt that has one.
 */
export function sumCost(costs: readonly (Cost | undefined)[]): Cost | undefined {
  const known = costs.filter((cost) => cost !== undefined);
  const [first, ...rest] = known;
  if (first === undefined) return undefined;
  if (rest.length === 0) return first;
  const items: CostItem[] = [];
  let totalNanoUsd = 0n;
  for (const cost of known) {
    totalNanoUsd += cost.totalNanoUsd;
    for (const item of cost.items) addItem(items, item);
  }
  return {
    $typeName: "llmgateway.v1.Cost",
    totalNanoUsd,
    items,
    priceListVersion: known.findLast((cost) => cost.priceListVersion !== "")?.priceListVersion ?? "",
    incomplete: known.some((cost) => cost.incomplete),
    ...sumReported(known),
  };
}

/** Nothing when no provider has said what its attempt cost. */
function sumReported(costs: readonly Cost[]): Pick<Cost, "reportedNanoUsd" | "comparedNanoUsd"> {
  let reportedNanoUsd: bigint | undefined;
  let comparedNanoUsd = 0n;
  for (const cost of costs) {
    if (cost.reportedNanoUsd === undefined) continue;
    reportedNanoUsd = (reportedNanoUsd ?? 0n) + cost.reportedNanoUsd;
    comparedNanoUsd += cost.comparedNanoUsd ?? cost.totalNanoUsd;
  }
  return reportedNanoUsd === undefined ? {} : { reportedNanoUsd, comparedNanoUsd };
}

function addItem(items: CostItem[], item: CostItem): void {
  const same = items.find((other) => isMergeable(other, item));
  if (same === undefined) {
    items.push({ ...item });
    return;
  }
  same.quantity += item.quantity;
  same.amountNanoUsd += item.amountNanoUsd;
}

function isMergeable(a: CostItem, b: CostItem): boolean {
  if (a.meter !== b.meter || a.tool !== b.tool || a.nanoUsdPerMillion !== b.nanoUsdPerMillion) return false;
  return toAmountNanoUsd(a.quantity + b.quantity, a.nanoUsdPerMillion) === a.amountNanoUsd + b.amountNanoUsd;
}
