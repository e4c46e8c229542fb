// Messages of a link between two replicas: one byte of kind, eight of a position in bytes, and the rest. Positions make a
// lost message seen: what is carried is not repeated, and NATS delivers each message at most once.

/** From the owner: `data` at its position; `pulse` and `end` tell how much was sent. To the owner: how much was taken. */
export const linkKinds = { data: 1, pulse: 2, end: 3, ask: 4, taken: 5, leave: 6 } as const;

export type LinkMessage = { readonly kind: number; readonly position: number; readonly body: Uint8Array };

const headBytes = 9;
const nothing = new Uint8Array();

export function formatLinkMessage(kind: number, position: number, body: Uint8Array = nothing): Uint8Array {
  const message = Buffer.allocUnsafe(headBytes + body.length);
  message[0] = kind;
  message.writeDoubleBE(position, 1);
  message.set(body, headBytes);
  return message;
}

/** `undefined`: it is none of ours. */
export function parseLinkMessage(bytes: Uint8Array): LinkMessage | undefined {
  if (bytes.length < headBytes) return undefined;
  const position = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readDoubleBE(1);
  return { kind: bytes[0] ?? 0, position, body: bytes.subarray(headBytes) };
}
