// One request and its response on an HTTP/2 connection: RFC 9113, section 5.1. No `Duplex`: the calls of this server read
// one message and write frames, and an object with two buffers and a dozen events costs more than such a call.
import type { OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import type { Connection } from "./connection.ts";
import { ErrorCode } from "./error-code.ts";
import { windowBytesMax } from "./frame.ts";

/** Told of what comes; nothing after `onClose`. */
export interface StreamListener {
  /** False: the peer sends at most one window more until `stream.resume()`. */
  onData(chunk: Buffer): boolean;
  /** The request is complete. */
  onEnd(): void;
  /** After a `write` that answered false: everything has left. */
  onDrain(): void;
  /** Once: the stream is over, well or badly. */
  onClose(): void;
}

/** Bytes that may wait in a stream before `write` answers false. */
const waitingBytesMax = 64 * 1024;

type Ending = { readonly trailers: OutgoingHttpHeaders | undefined };

export class Stream {
  readonly id: number;
  readonly #connection: Connection;
  #listener: StreamListener | undefined;
  /** What the peer has allowed. */
  #sendWindow: number;
  /** What the peer may still send. */
  #receiveWindow: number;
  readonly #receiveWindowMax: number;
  /** Read by the listener, and not yet given back to the peer in this stream's window. */
  #uncredited = 0;
  #isHeld = false;
  /** Came since the listener has had enough: not yet given back in the connection's window either. */
  #heldBytes = 0;
  #contentBytesLeft: number | undefined;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #needsDrain = false;
  #ending: Ending | undefined;
  #headersSent = false;
  #isRemoteEnded = false;
  #isClosed = false;
  #rstCode: number = ErrorCode.NO_ERROR;

  constructor(connection: Connection, id: number, sendWindow: number, receiveWindow: number) {
    this.#connection = connection;
    this.id = id;
    this.#sendWindow = sendWindow;
    this.#receiveWindow = receiveWindow;
    this.#receiveWindowMax = receiveWindow;
  }

  get socket(): Socket {
    return this.#connection.socket;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  /** The request has been received wholly. */
  get isRemoteEnded(): boolean {
    return this.#isRemoteEnded;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why it was reset, by either side; `NO_ERROR` otherwise. */
  get rstCode(): number {
    return this.#rstCode;
  }

  get isFull(): boolean {
    return this.#waitingBytes >= waitingBytesMax;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
  }

  /** The response's headers; with `endStream` they are all of it. A value that cannot be sent resets the stream. */
  respond(headers: OutgoingHttpHeaders, endStream = false): void {
    if (this.#isClosed || this.#headersSent) return;
    if (!this.#writeHeaders(headers, endStream)) return;
    this.#headersSent = true;
    if (endStream) this.#endLocal();
  }

  /** After `respond`. False: `onDrain` follows when it has left. */
  write(bytes: Buffer): boolean {
    if (this.#isClosed || this.#ending !== undefined) return false;
    if (bytes.length > 0) this.#send(bytes);
    this.#needsDrain ||= this.isFull;
    return !this.isFull;
  }

  /** After `respond`: the rest, and the trailers if there are any. */
  end(bytes?: Buffer, trailers?: OutgoingHttpHeaders): void {
    if (this.#isClosed || this.#ending !== undefined) return;
    if (bytes !== undefined && bytes.length > 0) this.#send(bytes);
    this.#ending = { trailers };
    if (this.#waitingBytes === 0) this.#finish(this.#ending);
  }

  /** Ends it now, whatever is still to come or to be sent. */
  reset(code: number): void {
    if (this.#isClosed) return;
    this.#connection.writeReset(this.id, code);
    this.close(code);
  }

  /** The listener, who answered false to `onData`, wants more. */
  resume(): void {
    this.#isHeld = false;
    this.#release();
    this.#credit();
  }

  /** For the connection: sends at most `bytesMax` of what waits. True: something was sent. */
  pump(bytesMax: number): boolean {
    const first = this.#waiting[0];
    if (first === undefined) return false;
    const length = Math.min(first.length, bytesMax, this.#sendWindow);
    if (length <= 0) return false;
    this.#write(length === first.length ? first : first.subarray(0, length));
    this.#waitingBytes -= length;
    if (length === first.length) {
      this.#waiting.shift();
    } else {
      this.#waiting[0] = first.subarray(length);
    }
    if (this.#waitingBytes === 0) this.#emptied();
    return true;
  }

  /** For the connection: waits for the peer's window, and not for the connection's. */
  get isBlocked(): boolean {
    return this.#sendWindow <= 0;
  }

  /**
   * For the connection, before a listener may answer. `contentBytes`: what `content-length` promised. `isWhole`: no body comes;
   * `tellEnd` follows.
   */
  openRequest(contentBytes: number | undefined, isWhole: boolean): void {
    this.#contentBytesLeft = contentBytes;
    this.#isRemoteEnded = isWhole;
  }

  /** For the connection: of a request without a body. */
  tellEnd(): void {
    if (!this.#isClosed) this.#listener?.onEnd();
  }

  /** For the connection: a DATA frame; `flowBytes` is its length with the padding. Answers the error that it is. */
  receive(chunk: Buffer | undefined, flowBytes: number, isEnd: boolean): number {
    // Released with the stream, whatever becomes of this frame: the connection's window must not shrink for good.
    this.#heldBytes += flowBytes;
    if (this.#isRemoteEnded) return ErrorCode.STREAM_CLOSED;
    if (flowBytes > this.#receiveWindow) return ErrorCode.FLOW_CONTROL_ERROR;
    this.#receiveWindow -= flowBytes;
    this.#uncredited += flowBytes;
    if (this.#contentBytesLeft !== undefined) {
      this.#contentBytesLeft -= chunk?.length ?? 0;
      if (this.#contentBytesLeft < 0) return ErrorCode.PROTOCOL_ERROR;
    }
    if (chunk !== undefined && this.#listener?.onData(chunk) === false) this.#isHeld = true;
    if (this.#isClosed) return ErrorCode.NO_ERROR; // By the listener.
    if (isEnd) return this.endRemote();
    if (!this.#isHeld) {
      this.#release();
      this.#credit();
    }
    return ErrorCode.NO_ERROR;
  }

  /** For the connection: END_STREAM was read. Answers the error that it is. */
  endRemote(): number {
    if (this.#isRemoteEnded) return ErrorCode.STREAM_CLOSED;
    if (this.#contentBytesLeft !== undefined && this.#contentBytesLeft !== 0) return ErrorCode.PROTOCOL_ERROR;
    this.#isRemoteEnded = true;
    this.#release();
    this.#listener?.onEnd();
    return ErrorCode.NO_ERROR;
  }

  /** For the connection. False: the window is larger than it can be. */
  enlargeWindow(bytes: number): boolean {
    this.#sendWindow += bytes;
    return this.#sendWindow <= windowBytesMax;
  }

  /** For the connection: it is over, and nothing more is sent. */
  close(code: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#rstCode = code;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#connection.forget(this);
    this.#release();
    this.#listener?.onClose();
  }

  #send(bytes: Buffer): void {
    if (this.#waitingBytes === 0 && this.#connection.mayWrite(bytes.length) && bytes.length <= this.#sendWindow) {
      this.#write(bytes);
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#connection.wait(this);
  }

  #write(bytes: Buffer): void {
    this.#sendWindow -= bytes.length;
    this.#connection.writeData(this.id, bytes);
  }

  #emptied(): void {
    if (this.#ending !== undefined) {
      this.#finish(this.#ending);
      return;
    }
    if (this.#needsDrain) {
      this.#needsDrain = false;
      this.#listener?.onDrain();
    }
  }

  #finish({ trailers }: Ending): void {
    if (trailers === undefined) {
      this.#connection.writeEnd(this.id);
    } else if (!this.#writeHeaders(trailers, true)) {
      return;
    }
    this.#endLocal();
  }

  /** False: one of them cannot be sent. That is a bug of ours, or a caller's text that was let through; it ends this stream alone. */
  #writeHeaders(headers: OutgoingHttpHeaders, isEnd: boolean): boolean {
    try {
      this.#connection.writeHeaders(this.id, headers, isEnd);
      return true;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.reset(ErrorCode.INTERNAL_ERROR);
      return false;
    }
  }

  /** The rest of a request that nobody wants any more is refused, which is no error: section 8.1. */
  #endLocal(): void {
    if (!this.#isRemoteEnded) this.#connection.writeReset(this.id, ErrorCode.NO_ERROR);
    this.close(ErrorCode.NO_ERROR);
  }

  /**
   * Gives the connection's window back at once, and not with this stream's: many streams, each below the half of its own,
   * would use it up and wait for one another.
   */
  #release(): void {
    const bytes = this.#heldBytes;
    this.#heldBytes = 0;
    this.#connection.credit(bytes);
  }

  #credit(): void {
    if (this.#uncredited * 2 < this.#receiveWindowMax || this.#isRemoteEnded || this.#isClosed) return;
    this.#connection.writeWindowUpdate(this.id, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }
}
