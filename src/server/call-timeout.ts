import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

const msByGrpcUnit: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1000],
  ["m", 1],
  ["u", 0.001],
  ["n", 0.000_001],
]);

/**
 * The time a caller gives us, in milliseconds: `grpc-timeout` ("at most 8 digits and a unit", gRPC over HTTP/2) or
 * `connect-timeout-ms` (at most 10 digits, Connect). `undefined`: neither is set. Throws `CallFailure` INVALID_REQUEST.
 */
export function readCallTimeoutMs(header: (name: string) => string | undefined): number | undefined {
  const grpc = header("grpc-timeout");
  if (grpc !== undefined) {
    const unitMs = msByGrpcUnit.get(grpc.slice(-1));
    const amount = grpc.slice(0, -1);
    if (unitMs === undefined || !/^[0-9]{1,8}$/.test(amount)) {
      throw malformed("grpc-timeout");
    }
    return Number(amount) * unitMs;
  }
  const connect = header("connect-timeout-ms");
  if (connect !== undefined && !/^[0-9]{1,10}$/.test(connect)) {
    throw malformed("connect-timeout-ms");
  }
  return connect === undefined ? undefined : Number(connect);
}

function malformed(name: string): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, `the header ${name} cannot be read`, {
    violations: [{ field: name, description: "is not a time limit of its protocol" }],
  });
}
