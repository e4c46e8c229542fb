// Framing without meaning: bytes in, events out. A decoder is fed any split of the bytes and gives the same events.

/** One event of a provider's stream. */
export type WireEvent = {
  /** SSE `event:` field, AWS `:event-type` or `:exception-type`; "" when there is none. */
  readonly name: string;
  /** SSE `data:` lines joined by "\n", an NDJSON line, or the payload of a binary frame as text. */
  readonly data: string;
  /** How the event stood on the wire. `bare`: JSON between SSE events without `data:`. `exception`: AWS exception or error frame. */
  readonly origin: "event" | "bare" | "exception";
};

export interface FrameDecoder {
  /** Throws `FramingError` when a limit is passed or a checksum is wrong. */
  push(bytes: Uint8Array): readonly WireEvent[];
  /** Bytes ended: what was still buffered, if it is an event. Throws `FramingError` on half a binary frame. */
  finish(): readonly WireEvent[];
}

/** The bytes break the framing, or a limit on the length of an event. Carries no content. */
export class FramingError extends Error {
  override readonly name = "FramingError";
}
