import { type DescMessage, isMessage, type MessageShape } from "@bufbuild/protobuf";
import { createContextKey } from "@connectrpc/connect";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { OpenCall, PeerCertificate } from "../../pipeline/ports.ts";

/** A call whose headers and message were read before connect-node saw it. */
export type PreparedCall =
  | { readonly kind: "ready"; readonly opened: OpenCall; readonly message: unknown }
  /** Authenticated, but the message cannot be read; `opened` was told. */
  | { readonly kind: "unreadable"; readonly opened: OpenCall; readonly failure: CallFailure }
  /** A call of another service. */
  | { readonly kind: "read"; readonly message: unknown }
  | { readonly kind: "refused"; readonly failure: CallFailure };

/** Calls whose message a handler has, so that their end is the handler's to tell, and calls that were ended without one. */
const settled = new WeakMap<PreparedCall, "taken" | "ended">();

/** Ends a call that no handler was reached for; nothing for any other. */
export function endUntaken(prepared: PreparedCall, failure: () => CallFailure): void {
  if (prepared.kind === "ready" && !settled.has(prepared)) {
    settled.set(prepared, "ended");
    void prepared.opened.reject(failure()); // Never rejects, and nobody is told.
  }
}

/** `undefined`: the call came another way (health, reflection), and connect-node has read its message. */
export const preparedCallKey = createContextKey<PreparedCall | undefined>(undefined);

export const peerKey = createContextKey<PeerCertificate | undefined>(undefined);

/** The message that was read before connect-node saw an empty one in its place; throws why it could not be read. */
export function messageOf<Desc extends DescMessage>(
  schema: Desc,
  prepared: PreparedCall | undefined,
  request: MessageShape<Desc>,
): MessageShape<Desc> {
  if (prepared === undefined) {
    return request;
  }
  if (settled.get(prepared) === "ended") {
    throw new CallFailure(ErrorReason.CANCELLED, "the caller has gone");
  }
  settled.set(prepared, "taken");
  if (prepared.kind === "unreadable" || prepared.kind === "refused") {
    throw prepared.failure;
  }
  if (!isMessage(prepared.message, schema)) {
    throw new Error(`a prepared message is not a ${schema.typeName}`);
  }
  return prepared.message;
}
