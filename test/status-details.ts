// What a failure says beside its code, read as any gRPC client would: from `grpc-status-details-bin`.
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { ServiceError } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import { AttemptFailuresSchema, StreamFailureSchema } from "../src/contract.ts";

export function detailsOf(error: ServiceError) {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  return { ...readDetails(bytes as Buffer), pushback: error.metadata.get("grpc-retry-pushback-ms")[0] };
}

/** `bytes`: the trailer, decoded from base64. */
export function readDetails(bytes: Uint8Array) {
  const status = fromBinary(StatusSchema, bytes);
  const find = <Schema extends Parameters<typeof anyUnpack>[1]>(schema: Schema) => {
    for (const detail of status.details) {
      const unpacked = anyUnpack(detail, schema);
      if (unpacked !== undefined) return unpacked;
    }
    return undefined;
  };
  return {
    info: find(ErrorInfoSchema),
    retry: find(RetryInfoSchema),
    attempts: find(AttemptFailuresSchema),
    stream: find(StreamFailureSchema),
    violations: find(BadRequestSchema)?.fieldViolations,
  };
}
