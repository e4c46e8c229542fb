import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

/** Milliseconds with their fraction; `undefined` stays so. */
export function toMilliseconds(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** Unix nanoseconds. */
export function toUnixNanos(time: Timestamp): bigint {
  return time.seconds * 1_000_000_000n + BigInt(time.nanos);
}

/** Nanoseconds. */
export function toNanos(duration: Duration | undefined): bigint {
  return duration === undefined ? 0n : duration.seconds * 1_000_000_000n + BigInt(duration.nanos);
}
