import type { BudgetConfig } from "../../config/config.ts";
import { unreachable } from "../../domain/unreachable.ts";

export type PeriodKind = BudgetConfig["period"] | "minute";

/** One period, e.g. the November of 2026. Periods begin at UTC boundaries; weeks on Mondays (ISO 8601). */
export type Period = {
  /** Sortable and unique for the kind, e.g. "2026-11". */
  readonly id: string;
  /** Unix milliseconds, included. */
  readonly startMs: number;
  /** Unix milliseconds, not included; Infinity for "total". */
  readonly endMs: number;
};

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;
/** 1970-01-05, the first Monday. */
const firstMondayMs = 4 * dayMs;

/** The period that a time belongs to. */
export function periodAt(kind: PeriodKind, atMs: number): Period {
  switch (kind) {
    case "minute":
      return toSpan(atMs, minuteMs, 0, 16);
    case "hour":
      return toSpan(atMs, hourMs, 0, 13);
    case "day":
      return toSpan(atMs, dayMs, 0, 10);
    case "week":
      return toSpan(atMs, 7 * dayMs, firstMondayMs, 10);
    case "month":
      return toMonth(atMs);
    case "total":
      return { id: "total", startMs: Number.NEGATIVE_INFINITY, endMs: Number.POSITIVE_INFINITY };
    default:
      return unreachable(kind);
  }
}

function toSpan(atMs: number, lengthMs: number, originMs: number, idLength: number): Period {
  const startMs = Math.floor((atMs - originMs) / lengthMs) * lengthMs + originMs;
  const id = new Date(startMs).toISOString().slice(0, idLength).replace(":", "-");
  return { id, startMs, endMs: startMs + lengthMs };
}

function toMonth(atMs: number): Period {
  const at = new Date(atMs);
  const startMs = Date.UTC(at.getUTCFullYear(), at.getUTCMonth());
  const endMs = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1);
  return { id: new Date(startMs).toISOString().slice(0, 7), startMs, endMs };
}
