import { Code, ConnectError } from "@connectrpc/connect";
import type { CallFailure } from "../../domain/call-failure.ts";
import { toStatus } from "../status.ts";

/** The same code, message and details as on the own gRPC path; Connect's codes are gRPC's numbers. */
export function toConnectError(failure: CallFailure): ConnectError {
  const { code, message, details, retryPushbackMs } = toStatus(failure);
  const metadata = { "grpc-retry-pushback-ms": String(retryPushbackMs) };
  return new ConnectError(message, isCode(code) ? code : Code.Internal, metadata, [...details], failure);
}

function isCode(code: number): code is Code {
  return code in Code;
}
