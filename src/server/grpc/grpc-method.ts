import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { CallFailure } from "../../domain/call-failure.ts";
import type { CallHandle, PeerCertificate } from "../../pipeline/ports.ts";

/** A method that takes exactly one message, and answers with one or with many; `GrpcCalls` keeps the protocol around it. */
export interface GrpcMethod {
  /** On the headers, while the message still arrives. Throws (or rejects with) `CallFailure`. */
  open(headers: IncomingHttpHeaders, peer: PeerCertificate | undefined): GrpcOpenCall | Promise<GrpcOpenCall>;
}

/** Either what `read` returns is called, or `reject`; one of them, once. */
export interface GrpcOpenCall {
  /** Stands in the log beside bugs, and in what the caller is told of them; "": an id is made. */
  readonly correlationId: string;
  /** Calls of different tenants begin in turn. */
  readonly tenant: string;
  /** Why the call would be refused whatever its message says; `undefined`: that depends on it. `reject` ends it then. */
  refusalUnread(): CallFailure | undefined;
  /** Adds what is known before the first message; called once, when the headers leave. */
  addHeaders(headers: OutgoingHttpHeaders): void;
  /** Decodes and checks; what it returns runs the call. Throws `CallFailure`. */
  read(message: Uint8Array): (sink: GrpcSink) => CallHandle;
  /** The call ends before it was run. Resolves, once that is on record, with what to tell the caller; never rejects. */
  reject(failure: CallFailure): Promise<CallFailure>;
}

/** Where a running call sends frames (5 bytes of head and a message each, any number in one piece), and how it ends. */
export interface GrpcSink {
  /** The status was sent, or nobody listens any more. */
  readonly hasEnded: boolean;
  /** The caller reads slowly: `resume` of the call's handle is called when it has caught up. */
  readonly isFull: boolean;
  /** Answers `!isFull`. */
  write(frames: Buffer): boolean;
  /** Ends with status OK; `frames` may be empty, as in the next two. */
  succeed(frames: Buffer): void;
  /** Ends with the status of the failure. */
  fail(failure: CallFailure, frames?: Buffer): void;
  /** Ends with these trailers, which hold a `grpc-status`. */
  end(trailers: OutgoingHttpHeaders, frames?: Buffer): void;
  /** As `fail`, for a failure that the call itself does not know of: its handle is cancelled. */
  abort(failure: CallFailure): void;
}

/** A message as it travels. */
export function toFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

export function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
