import { createContextKey } from "@connectrpc/connect";
import type { CallFailure } from "../../domain/call-failure.ts";
import type { OpenCall, PeerCertificate } from "../../pipeline/ports.ts";

/** An inference call whose headers and message were read before connect-node saw it. */
export type PreparedCall =
  | { readonly kind: "ready"; readonly opened: OpenCall; readonly message: unknown }
  /** Authenticated, but the message cannot be read; `opened` was told. */
  | { readonly kind: "unreadable"; readonly opened: OpenCall; readonly failure: CallFailure }
  | { readonly kind: "refused"; readonly failure: CallFailure };

/** `undefined`: the call came another way (Connect GET), and its handler opens it. */
export const preparedCallKey = createContextKey<PreparedCall | undefined>(undefined);

export const peerKey = createContextKey<PeerCertificate | undefined>(undefined);
