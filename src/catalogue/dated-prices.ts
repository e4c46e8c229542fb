import type { DatedPrices } from "./price-list.ts";

const dayMs = 86_400_000;

export type CurrentPrices = {
  readonly rows: DatedPrices["rows"];
  /** Unix milliseconds within which nothing changes: from (included) and until (not included). */
  readonly fromMs: number;
  readonly untilMs: number;
};

/** The prices that hold at a time, and how long that is true; `undefined`: none holds yet. */
export function pricesAt(dated: readonly DatedPrices[], atMs: number): CurrentPrices | undefined {
  const current = dated.findLast((prices) => isInForce(prices, atMs));
  if (current === undefined) return undefined;
  let fromMs = Number.NEGATIVE_INFINITY;
  let untilMs = Number.POSITIVE_INFINITY;
  for (const boundaryMs of dated.flatMap((prices) => boundariesAround(prices, atMs))) {
    if (boundaryMs <= atMs) fromMs = Math.max(fromMs, boundaryMs);
    else untilMs = Math.min(untilMs, boundaryMs);
  }
  return { rows: current.rows, fromMs, untilMs };
}

function isInForce(prices: DatedPrices, atMs: number): boolean {
  if (prices.from !== undefined && atMs < Date.parse(`${prices.from}T00:00:00Z`)) return false;
  if (prices.daily === undefined) return true;
  const [start, end] = prices.daily.map(toMsOfDay);
  const now = atMs - startOfDay(atMs);
  if (start === undefined || end === undefined) return false;
  return start <= end ? start <= now && now < end : now >= start || now < end;
}

function boundariesAround(prices: DatedPrices, atMs: number): readonly number[] {
  const dates = prices.from === undefined ? [] : [Date.parse(`${prices.from}T00:00:00Z`)];
  const midnightMs = startOfDay(atMs);
  const times = (prices.daily ?? []).map(toMsOfDay);
  return [
    ...dates,
    ...times.flatMap((time) => [midnightMs - dayMs + time, midnightMs + time, midnightMs + dayMs + time]),
  ];
}

function startOfDay(atMs: number): number {
  return Math.floor(atMs / dayMs) * dayMs;
}

/** "16:30:00Z" → milliseconds since midnight UTC. */
function toMsOfDay(time: string): number {
  return Date.parse(`1970-01-01T${time}`);
}
