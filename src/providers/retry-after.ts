import type { HttpHeaders } from "../domain/http.ts";
import { wordTable } from "./word-table.ts";

/** Longest wait that we believe a provider; past it the header is a mistake or a ban, and routing should not plan with it. */
const waitMsMax = 24 * 60 * 60 * 1000;

/**
 * How long the answer asks us to wait, in milliseconds; `undefined` when it does not say. Reads `retry-after-ms`, then
 * `retry-after` in seconds or as an HTTP date. A date is measured against the answer's own `date` header, so that no clock
 * is needed and a wrong one does no harm. When both number headers stand side by side the longer one counts: Azure sends
 * `retry-after: 1` beside `retry-after-ms: 0`.
 */
export function toRetryAfterMs(headers: HttpHeaders): number | undefined {
  const fromMs = toNumber(headers["retry-after-ms"], 1);
  const fromSeconds = toNumber(headers["retry-after"], 1000);
  if (fromMs !== undefined && fromSeconds !== undefined) return fromMs > 0 ? fromMs : fromSeconds;
  return fromMs ?? fromSeconds ?? fromDate(headers);
}

/**
 * The wait of a rate limit whose headers tell only when each allowance is full again (`x-ratelimit-reset-*`): the longest of
 * those that are used up, else the shortest of all; `undefined` when there is none. For answers with status 429.
 */
export function toResetMs(headers: HttpHeaders): number | undefined {
  const exhausted: number[] = [];
  const all: number[] = [];
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith("x-ratelimit-reset")) continue;
    const waitMs = parseResetMs(value);
    if (waitMs === undefined) continue;
    all.push(waitMs);
    if (toNumber(headers[name.replace("-reset", "-remaining")], 1) === 0) exhausted.push(waitMs);
  }
  if (exhausted.length > 0) return Math.max(...exhausted);
  return all.length > 0 ? Math.min(...all) : undefined;
}

/** "6m0s", "120ms", "1.5s", "36" (seconds) to milliseconds; `undefined` for anything else, such as a point in time. */
export function parseResetMs(text: string): number | undefined {
  const seconds = toNumber(text, 1000);
  if (seconds !== undefined) return seconds;
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s|d)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== text.trim()) return undefined;
  return within(parts.reduce((sum, part) => sum + Number(part[1]) * (unitMs[part[2] ?? ""] ?? 0), 0));
}

const unitMs = wordTable<number>({ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 });

function toNumber(text: string | undefined, factor: number): number | undefined {
  if (text === undefined || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return undefined;
  return within(Number(text) * factor);
}

function within(waitMs: number): number | undefined {
  return waitMs <= waitMsMax ? Math.ceil(waitMs) : undefined;
}

function fromDate(headers: HttpHeaders): number | undefined {
  const until = parseHttpDate(headers["retry-after"]);
  const from = parseHttpDate(headers["date"]);
  if (until === undefined || from === undefined) return undefined;
  return within(Math.max(0, until - from));
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** IMF-fixdate of RFC 9110, section 5.6.7, to Unix milliseconds. */
function parseHttpDate(text: string | undefined): number | undefined {
  const found = /^\w{3}, (\d{2}) (\w{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/.exec(text?.trim() ?? "");
  if (found === null) return undefined;
  const month = months.indexOf(found[2] ?? "");
  if (month < 0) return undefined;
  const days = daysSinceEpoch(Number(found[3]), month + 1, Number(found[1]));
  return (((days * 24 + Number(found[4])) * 60 + Number(found[5])) * 60 + Number(found[6])) * 1000;
}

/** Days since 1970-01-01 in the Gregorian calendar; the year is taken to begin in March, so that leap days come last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
