import type { ServiceError } from "@grpc/grpc-js";
import { detailsOf } from "./status-details.ts";

export type SeenFailure = { readonly code: number; readonly reason: string | undefined };

/** How a call ended: code and reason; code 0 when it went well. */
export async function failureOf(call: Promise<unknown>): Promise<SeenFailure> {
  try {
    await call;
    return { code: 0, reason: undefined };
  } catch (error) {
    return { code: (error as ServiceError).code, reason: detailsOf(error as ServiceError).info?.reason };
  }
}
