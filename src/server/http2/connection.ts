// The server's side of an HTTP/2 connection: RFC 9113. Frames in, streams out; what a turn of the event loop writes leaves
// in one system call (`output.ts`). Server push, priorities and CONNECT are not served.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { LiveTable } from "../../domain/live-table.ts";
import { ConnectionError, ErrorCode } from "./error-code.ts";
import {
  Flag,
  FrameType,
  frameHeadBytes,
  framePayloadMax,
  headerTableDefaultBytes,
  initialWindowBytes,
  preface,
  windowBytesMax,
} from "./frame.ts";
import { FrameWriter } from "./frame-writer.ts";
import { encodeHeaders } from "./hpack/encode-headers.ts";
import { HeaderDecoder } from "./hpack/header-decoder.ts";
import { Output } from "./output.ts";
import { RequestHeaders } from "./request-headers.ts";
import { ResetGuard } from "./reset-guard.ts";
import { readPeerSettings, writeSettings } from "./settings.ts";
import { Stream } from "./stream.ts";

export type ConnectionOptions = {
  readonly maxStreams: number;
  /** What a peer may send on a stream, and on all of them, before it is read. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** Of one block of headers, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  readonly headerListBytesMax: number;
  readonly pingIntervalMs: number;
  /** A peer that answers no PING for so long is dead. */
  readonly pingTimeoutMs: number;
  /** Something came that is no request, or no HTTP/2; must not throw. */
  readonly onMalformed: () => void;
};

export type RequestHandler = (stream: Stream, headers: IncomingHttpHeaders, info: RequestInfo) => void;

export type RequestInfo = {
  /** Bytes of names and values; Infinity: there were more than the headers that are handed on. */
  readonly headerBytes: number;
};

const limits = {
  /** Written and not yet taken by the system: above it streams wait. */
  backlogBytesForData: 128 * 1024,
  /** Above it the peer, who does not read, is not read either. */
  backlogBytes: 1 << 20,
  /** How long a connection that was ended may take to close. */
  lingerMs: 1000,
  /** Streams that we reset and the peer may still write to. */
  recentResetsMax: 1000,
  /** Frames of one block of headers. */
  blockPiecesMax: 64,
} as const;

/** A block of headers that goes on in CONTINUATION frames. */
type OpenBlock = { readonly streamId: number; readonly isEnd: boolean; readonly pieces: Buffer[]; bytes: number };

export class Connection {
  readonly socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #onRequest: RequestHandler;
  readonly #output: Output;
  readonly #writer: FrameWriter;
  readonly #decoder = new HeaderDecoder();
  readonly #guard = new ResetGuard();
  readonly #streams = new LiveTable<number, Stream>(hashStreamId);
  /** Have something to send, in turn. */
  readonly #waiting = new Set<Stream>();
  /** Their frames are on the way, and mean nothing any more. */
  readonly #recentResets = new Set<number>();
  #rest: Buffer | undefined;
  #hasPreface = false;
  #hasSettings = false;
  #block: OpenBlock | undefined;
  #lastStreamId = 0;
  /** Of the streams that are served: none above it, once GOAWAY was sent. */
  #servedStreamMax = windowBytesMax;
  #sendWindow = initialWindowBytes;
  #receiveWindow: number;
  #uncredited = 0;
  #peerWindow = initialWindowBytes;
  #isClosing = false;
  #isDead = false;
  #isPaused = false;
  #pingTimer: NodeJS.Timeout | undefined;
  #overdueTimer: NodeJS.Timeout | undefined;

  /** Takes over a socket that has read nothing, or has given back what it read. */
  constructor(socket: Socket, options: ConnectionOptions, onRequest: RequestHandler) {
    this.socket = socket;
    this.#options = options;
    this.#onRequest = onRequest;
    this.#output = new Output(socket);
    this.#writer = new FrameWriter(this.#output);
    this.#receiveWindow = options.connectionWindowBytes;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("close", () => this.#closed());
    this.#greet();
    this.#pingTimer = setInterval(() => this.#ping(), options.pingIntervalMs);
    this.#pingTimer.unref();
  }

  /** Lets running streams end, takes no new ones, and closes the connection after the last. */
  close(): void {
    if (this.#isClosing || this.#isDead) return;
    this.#isClosing = true;
    this.#servedStreamMax = this.#lastStreamId;
    this.#writeGoAway(ErrorCode.NO_ERROR);
    this.#endIfIdle();
  }

  // For streams.

  mayWrite(bytes: number): boolean {
    return bytes <= this.#sendWindow && this.#output.backlogBytes < limits.backlogBytesForData;
  }

  /** It has more than it may send at once: a part may leave now, the rest when windows and socket take it. */
  wait(stream: Stream): void {
    this.#waiting.add(stream);
    this.#pump();
  }

  writeHeaders(streamId: number, headers: OutgoingHttpHeaders, isEnd: boolean): void {
    this.#writer.writeHeaders(streamId, encodeHeaders(headers), isEnd);
  }

  /** The caller has looked at the windows. */
  writeData(streamId: number, bytes: Buffer): void {
    this.#sendWindow -= bytes.length;
    this.#writer.writeData(streamId, bytes);
  }

  writeEnd(streamId: number): void {
    this.#writer.writeEmpty(FrameType.DATA, Flag.END_STREAM, streamId);
  }

  writeReset(streamId: number, code: number): void {
    this.#recentResets.add(streamId);
    if (this.#recentResets.size > limits.recentResetsMax) {
      for (const oldest of this.#recentResets) {
        this.#recentResets.delete(oldest);
        break;
      }
    }
    this.#writer.writeWord(FrameType.RST_STREAM, streamId, code);
  }

  writeWindowUpdate(streamId: number, bytes: number): void {
    this.#writer.writeWord(FrameType.WINDOW_UPDATE, streamId, bytes);
  }

  /** Received bytes that need no room any more. */
  credit(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#uncredited * 2 < this.#options.connectionWindowBytes || this.#isDead) return;
    this.writeWindowUpdate(0, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  forget(stream: Stream): void {
    this.#streams.take(stream.id);
    this.#waiting.delete(stream);
    this.#endIfIdle();
  }

  // Reading.

  #read(chunk: Buffer): void {
    if (this.#isDead) return;
    try {
      this.#readFrames(this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]));
    } catch (error) {
      this.#fail(error instanceof ConnectionError ? error.code : ErrorCode.INTERNAL_ERROR);
      // A bug of ours: the frame was read by half, so that nothing more may be read, and somebody has to hear of it.
      if (!(error instanceof ConnectionError)) throw error;
      this.#options.onMalformed();
    }
    if (this.#output.backlogBytes > limits.backlogBytes && !this.#isPaused) {
      this.#isPaused = true;
      this.socket.pause();
    }
  }

  #readFrames(bytes: Buffer): void {
    let at = this.#hasPreface ? 0 : this.#readPreface(bytes);
    while (bytes.length - at >= frameHeadBytes && this.#hasPreface && !this.#isDead) {
      const length = bytes.readUIntBE(at, 3);
      if (length > framePayloadMax) {
        throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a frame is larger than was allowed");
      }
      const start = at + frameHeadBytes;
      if (start + length > bytes.length) break;
      at = start + length;
      this.#readFrame(bytes, start, length);
    }
    // A copy, so that a few bytes do not keep the whole piece that they came in.
    this.#rest = at === bytes.length ? undefined : Buffer.from(bytes.subarray(at));
  }

  #readPreface(bytes: Buffer): number {
    const seen = bytes.subarray(0, preface.length);
    if (!seen.equals(preface.subarray(0, seen.length))) throw protocolError("the preface is not HTTP/2's");
    this.#hasPreface = seen.length === preface.length;
    return this.#hasPreface ? preface.length : 0;
  }

  #readFrame(bytes: Buffer, start: number, length: number): void {
    const type = bytes[start - 6] ?? 0;
    const flags = bytes[start - 5] ?? 0;
    const streamId = bytes.readUInt32BE(start - 4) & 0x7fffffff;
    if (!this.#hasSettings && type !== FrameType.SETTINGS) throw protocolError("the first frame is not SETTINGS");
    if (this.#block !== undefined && (type !== FrameType.CONTINUATION || streamId !== this.#block.streamId)) {
      throw protocolError("a block of headers is interrupted");
    }
    switch (type) {
      case FrameType.DATA:
        this.#readData(bytes, start, length, flags, streamId);
        break;
      case FrameType.HEADERS:
        this.#readHeaders(bytes, start, length, flags, streamId);
        break;
      case FrameType.CONTINUATION:
        this.#readContinuation(bytes, start, length, flags);
        break;
      case FrameType.RST_STREAM:
        this.#readReset(bytes, start, length, streamId);
        break;
      case FrameType.SETTINGS:
        this.#readSettings(bytes, start, length, flags, streamId);
        break;
      case FrameType.PING:
        this.#readPing(bytes, start, length, flags, streamId);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#readWindowUpdate(bytes, start, length, streamId);
        break;
      case FrameType.PRIORITY:
        this.#readPriority(bytes, start, length, streamId);
        break;
      case FrameType.GOAWAY:
        if (streamId !== 0) throw protocolError("GOAWAY on a stream");
        break;
      case FrameType.PUSH_PROMISE:
        throw protocolError("a client does not push");
      default:
      // Section 4.1: what is not known is ignored.
    }
  }

  #readData(bytes: Buffer, start: number, length: number, flags: number, streamId: number): void {
    if (streamId === 0) throw protocolError("DATA on no stream");
    if (length > this.#receiveWindow) {
      throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than was allowed");
    }
    this.#receiveWindow -= length;
    const isEnd = (flags & Flag.END_STREAM) !== 0;
    const [from, to] = contentOf(bytes, start, length, flags);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.credit(length);
      this.#refuseLate(streamId);
      return;
    }
    const code = stream.receive(from === to ? undefined : bytes.subarray(from, to), length, isEnd);
    if (code !== ErrorCode.NO_ERROR) this.#resetFor(stream, code);
  }

  #readHeaders(bytes: Buffer, start: number, length: number, flags: number, streamId: number): void {
    if ((streamId & 1) === 0) throw protocolError("HEADERS on a stream that is no client's");
    let [from, to] = contentOf(bytes, start, length, flags);
    if ((flags & Flag.PRIORITY) !== 0) {
      if (to - from < 5) throw protocolError("HEADERS are too short for their priority");
      this.#assertNoCycle(bytes, from, streamId);
      from += 5;
    }
    const isEnd = (flags & Flag.END_STREAM) !== 0;
    const block = bytes.subarray(from, to);
    if ((flags & Flag.END_HEADERS) !== 0) {
      this.#takeBlock(streamId, isEnd, block);
    } else {
      this.#block = { streamId, isEnd, pieces: [Buffer.from(block)], bytes: block.length };
    }
  }

  #readContinuation(bytes: Buffer, start: number, length: number, flags: number): void {
    const open = this.#block;
    if (open === undefined) throw protocolError("CONTINUATION of nothing");
    open.bytes += length;
    // Compressed it is shorter than the list, so that this is no request that could be answered.
    const isTooLong = open.bytes > 2 * this.#options.headerListBytesMax || open.pieces.length >= limits.blockPiecesMax;
    if (isTooLong) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "a block of headers that does not end");
    open.pieces.push(Buffer.from(bytes.subarray(start, start + length)));
    if ((flags & Flag.END_HEADERS) === 0) return;
    this.#block = undefined;
    this.#takeBlock(open.streamId, open.isEnd, Buffer.concat(open.pieces));
  }

  #takeBlock(streamId: number, isEnd: boolean, block: Buffer): void {
    const fields = new RequestHeaders(this.#options.headerListBytesMax);
    this.#decoder.decode(block, (field) => fields.add(field)); // Always: the next block builds on it.
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      this.#takeTrailers(stream, isEnd, fields);
    } else if (streamId > this.#lastStreamId) {
      this.#lastStreamId = streamId;
      this.#openStream(streamId, isEnd, fields);
    } else if (!this.#isLate(streamId)) {
      throw new ConnectionError(ErrorCode.STREAM_CLOSED, "HEADERS on a stream that is closed");
    }
  }

  #openStream(streamId: number, isEnd: boolean, fields: RequestHeaders): void {
    if (streamId > this.#servedStreamMax) return; // After GOAWAY: the peer knows that it was not served.
    if (this.#streams.size >= this.#options.maxStreams) {
      this.#assertCalm();
      this.writeReset(streamId, ErrorCode.REFUSED_STREAM);
      return;
    }
    const contentBytes = contentLengthOf(fields.headers);
    const isMalformed = fields.isMalformed || (!fields.isTooLong && (!fields.isRequest || Number.isNaN(contentBytes)));
    if (isMalformed || (isEnd && contentBytes !== undefined && contentBytes !== 0)) {
      this.#options.onMalformed();
      this.#assertCalm();
      this.writeReset(streamId, ErrorCode.PROTOCOL_ERROR);
      return;
    }
    const stream = new Stream(this, streamId, this.#peerWindow, this.#options.streamWindowBytes);
    stream.openRequest(fields.isTooLong ? undefined : contentBytes, isEnd);
    this.#streams.set(streamId, stream);
    this.#onRequest(stream, fields.headers, {
      headerBytes: fields.isTooLong ? Number.POSITIVE_INFINITY : fields.textBytes,
    });
    if (isEnd) stream.tellEnd();
  }

  #takeTrailers(stream: Stream, isEnd: boolean, fields: RequestHeaders): void {
    if (stream.isRemoteEnded) {
      this.#resetFor(stream, ErrorCode.STREAM_CLOSED);
    } else if (!isEnd || !fields.isTrailers) {
      this.#resetFor(stream, ErrorCode.PROTOCOL_ERROR);
    } else {
      const code = stream.endRemote();
      if (code !== ErrorCode.NO_ERROR) this.#resetFor(stream, code);
    }
  }

  #readReset(bytes: Buffer, start: number, length: number, streamId: number): void {
    if (length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM has four bytes");
    if (streamId === 0 || streamId > this.#lastStreamId) throw protocolError("RST_STREAM of no stream");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return; // It has just ended, and the peer could not know.
    this.#assertCalm();
    stream.close(bytes.readUInt32BE(start));
  }

  #readSettings(bytes: Buffer, start: number, length: number, flags: number, streamId: number): void {
    if (streamId !== 0) throw protocolError("SETTINGS on a stream");
    this.#hasSettings = true;
    const isAck = (flags & Flag.ACK) !== 0;
    if (length % 6 !== 0 || (isAck && length > 0)) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS have six bytes each");
    }
    if (isAck) return;
    this.#assertCalm(); // Each may touch every stream.
    const { windowBytes, headerTableBytes } = readPeerSettings(bytes, start, length);
    if (headerTableBytes !== undefined && headerTableBytes < headerTableDefaultBytes) {
      this.#writer.emptyTable();
    }
    if (windowBytes !== undefined) this.#changeWindows(windowBytes);
    this.#writer.writeEmpty(FrameType.SETTINGS, Flag.ACK, 0);
    this.#pump();
  }

  /** Section 6.9.2: the windows of all streams move by the difference, and may become negative. */
  #changeWindows(windowBytes: number): void {
    const difference = windowBytes - this.#peerWindow;
    this.#peerWindow = windowBytes;
    for (const stream of this.#streams.values()) {
      if (!stream.enlargeWindow(difference)) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large");
      }
    }
  }

  #readPing(bytes: Buffer, start: number, length: number, flags: number, streamId: number): void {
    if (streamId !== 0) throw protocolError("PING on a stream");
    if (length !== 8) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "PING has eight bytes");
    if ((flags & Flag.ACK) !== 0) {
      clearTimeout(this.#overdueTimer);
      this.#overdueTimer = undefined;
      return;
    }
    this.#writer.writeFrame(FrameType.PING, Flag.ACK, 0, bytes, start, length);
  }

  #readWindowUpdate(bytes: Buffer, start: number, length: number, streamId: number): void {
    if (length !== 4) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE has four bytes");
    const step = bytes.readUInt32BE(start) & 0x7fffffff;
    if (streamId === 0) {
      this.#sendWindow += step;
      if (step === 0) throw protocolError("a window that grows by nothing");
      if (this.#sendWindow > windowBytesMax) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a window that is too large");
      }
      this.#pump();
      return;
    }
    if (streamId > this.#lastStreamId) throw protocolError("WINDOW_UPDATE of no stream");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return; // It has just ended, and the peer could not know.
    if (step === 0) {
      this.#resetFor(stream, ErrorCode.PROTOCOL_ERROR);
    } else if (!stream.enlargeWindow(step)) {
      this.#resetFor(stream, ErrorCode.FLOW_CONTROL_ERROR);
    } else {
      this.#pump();
    }
  }

  #readPriority(bytes: Buffer, start: number, length: number, streamId: number): void {
    if (streamId === 0) throw protocolError("PRIORITY of no stream");
    if (length !== 5) {
      this.#resetEven(streamId, ErrorCode.FRAME_SIZE_ERROR);
      return;
    }
    this.#assertNoCycle(bytes, start, streamId);
  }

  /** A stream that depends on itself; priorities mean nothing else to us. */
  #assertNoCycle(bytes: Buffer, start: number, streamId: number): void {
    if ((bytes.readUInt32BE(start) & 0x7fffffff) === streamId) throw protocolError("a stream that depends on itself");
  }

  /** A frame for a stream that we reset a moment ago means nothing; for any other that has ended it is an error. */
  #refuseLate(streamId: number): void {
    if (streamId > this.#lastStreamId) throw protocolError("DATA on a stream that was never opened");
    if (this.#isLate(streamId)) return;
    this.#assertCalm();
    this.writeReset(streamId, ErrorCode.STREAM_CLOSED);
  }

  /** It was on the way when we reset the stream, or said in GOAWAY that it is not served. */
  #isLate(streamId: number): boolean {
    return this.#recentResets.has(streamId) || streamId > this.#servedStreamMax;
  }

  #resetEven(streamId: number, code: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.#assertCalm();
      this.writeReset(streamId, code);
    } else {
      this.#resetFor(stream, code);
    }
  }

  /** Because of what the peer sent. It counts as its own reset would, and frees a stream just as well (CVE-2025-8671). */
  #resetFor(stream: Stream, code: number): void {
    this.#assertCalm();
    stream.reset(code);
  }

  #assertCalm(): void {
    if (!this.#guard.allows()) throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too many resets or settings");
  }

  // Writing.

  #greet(): void {
    const { maxStreams, streamWindowBytes, headerListBytesMax, connectionWindowBytes } = this.#options;
    const settings = writeSettings({ maxStreams, windowBytes: streamWindowBytes, headerListBytesMax });
    this.#writer.writeFrame(FrameType.SETTINGS, 0, 0, settings, 0, settings.length);
    this.writeWindowUpdate(0, connectionWindowBytes - initialWindowBytes);
  }

  /** Gives each waiting stream a frame in turn, while windows and socket take it. */
  #pump(): void {
    let hasSent = true;
    while (hasSent && this.#waiting.size > 0) {
      hasSent = false;
      for (const stream of this.#waiting) {
        if (!this.mayWrite(1)) return;
        if (stream.isBlocked) continue;
        hasSent = stream.pump(Math.min(framePayloadMax, this.#sendWindow)) || hasSent;
        if (stream.waitingBytes === 0) this.#waiting.delete(stream);
      }
    }
  }

  #drained(): void {
    if (this.#isPaused) {
      this.#isPaused = false;
      this.socket.resume();
    }
    this.#pump();
  }

  #ping(): void {
    if (this.#overdueTimer !== undefined) return;
    this.#overdueTimer = setTimeout(() => this.socket.destroy(), this.#options.pingTimeoutMs);
    this.#overdueTimer.unref();
    const opaque = Buffer.alloc(8);
    this.#writer.writeFrame(FrameType.PING, 0, 0, opaque, 0, opaque.length);
  }

  #writeGoAway(code: number): void {
    this.#writer.writeGoAway(Math.min(this.#lastStreamId, this.#servedStreamMax), code);
  }

  // Ending.

  #fail(code: number): void {
    if (this.#isDead) return;
    this.#writeGoAway(code);
    this.#end();
    this.#destroySoon();
  }

  #endIfIdle(): void {
    if (this.#isClosing && this.#streams.size === 0) this.#end();
  }

  #end(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#output.flush();
    // What was answered may still wait for a slow reader: the time runs from when the system has it all. A peer that does
    // not read at all is found by the PING that it cannot answer.
    this.socket.end(() => this.#destroySoon());
    this.socket.resume();
    this.#closeStreams();
  }

  #destroySoon(): void {
    setTimeout(() => this.socket.destroy(), limits.lingerMs).unref();
  }

  #closed(): void {
    this.#isDead = true;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#overdueTimer);
    this.#closeStreams();
  }

  #closeStreams(): void {
    for (const stream of this.#streams.values()) {
      try {
        stream.close(ErrorCode.CANCEL);
      } catch (error) {
        // A bug of ours, which somebody has to hear of; the other calls are to be ended all the same.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/** They are odd, and ascend. */
function hashStreamId(streamId: number): number {
  return streamId >>> 1;
}

/** Without the padding: section 6.1. */
function contentOf(bytes: Buffer, start: number, length: number, flags: number): [from: number, to: number] {
  if ((flags & Flag.PADDED) === 0) return [start, start + length];
  const padding = bytes[start] ?? 0;
  if (length === 0 || padding >= length) throw protocolError("more padding than there is frame");
  return [start + 1, start + length - padding];
}

/** `NaN`: it is no number. */
function contentLengthOf(headers: IncomingHttpHeaders): number | undefined {
  const text = headers["content-length"];
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}

function protocolError(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.PROTOCOL_ERROR, what);
}
