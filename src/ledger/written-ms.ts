import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { UsageEvent } from "../contract.ts";

/**
 * When an event came to be, in Unix milliseconds: a correction when it was made, long after the call perhaps, any other at
 * the end of the call. What was lost since some time is found by this one.
 */
export function writtenMs({ correction, eventTime }: UsageEvent): number {
  const time = correction?.createTime ?? eventTime;
  return time === undefined ? 0 : timestampMs(time);
}
