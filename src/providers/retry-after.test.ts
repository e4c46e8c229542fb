import { expect, it } from "vitest";
import { parseResetMs, toResetMs, toRetryAfterMs } from "./retry-after.ts";

it.each([
  [{}, undefined],
  [{ "retry-after": "7" }, 7000],
  [{ "retry-after": "0" }, 0],
  [{ "retry-after-ms": "250" }, 250],
  [{ "retry-after-ms": "250", "retry-after": "1" }, 250],
  [{ "retry-after-ms": "0", "retry-after": "1" }, 1000],
  [{ "retry-after": "Wed, 21 Oct 2026 07:28:10 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" }, 10_000],
  [{ "retry-after": "Thu, 01 Mar 2028 00:00:00 GMT", date: "Tue, 29 Feb 2028 23:59:59 GMT" }, 1000],
  [{ "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" }, undefined],
  [{ "retry-after": "soon" }, undefined],
  [{ "retry-after": "99999999" }, undefined],
])("reads how long to wait from %j", (headers, expected) => {
  expect(toRetryAfterMs(headers)).toBe(expected);
});

it("agrees with the platform's calendar", () => {
  for (const date of [
    "Mon, 01 Jan 2024 00:00:00 GMT",
    "Sun, 31 Dec 2045 12:30:59 GMT",
    "Tue, 29 Feb 2028 01:02:03 GMT",
  ]) {
    const later = new Date(Date.parse(date) + 90_000).toUTCString();
    expect(toRetryAfterMs({ "retry-after": later, date })).toBe(90_000);
  }
});

it.each([
  ["6m0s", 360_000],
  ["120ms", 120],
  ["1h2m3.5s", 3_723_500],
  ["36", 36_000],
  ["2026-10-21T07:28:00Z", undefined],
  ["", undefined],
  ["5x", undefined],
])("reads the reset time %j", (text, expected) => {
  expect(parseResetMs(text)).toBe(expected);
});

it("waits for the allowance that is used up, not for the others", () => {
  const headers = {
    "x-ratelimit-reset-requests": "6m0s",
    "x-ratelimit-remaining-requests": "12",
    "x-ratelimit-reset-tokens": "8s",
    "x-ratelimit-remaining-tokens": "0",
  };
  expect(toResetMs(headers)).toBe(8000);
  expect(toResetMs({})).toBeUndefined();
});
