/** How a point in time is written: a date, or a date and time with its zone (RFC 3339). */
export const instantPattern = /^(\d{4})-(\d{2})-(\d{2})(?:T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** Unix milliseconds of "2027-06-30" (its first instant in UTC) or "2027-06-30T12:00:00+02:00"; `undefined` when there is no such time. */
export function parseInstant(text: string): number | undefined {
  const [, year, month, day] = instantPattern.exec(text) ?? [];
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const atMs = Date.parse(text);
  // Date.parse moves the 30th of February on to March: a day that does not exist is refused.
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number.isNaN(atMs) || Number(day) > daysInMonth ? undefined : atMs;
}
