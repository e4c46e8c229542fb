// gRPC on our own HTTP/2 streams, for the methods of a table that take one message: a third of the cost of
// connect-node on unary calls and on bursts, and all messages of one upstream read leave in one write. Everything else is
// connect-node's.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { LiveSet } from "../../domain/live-set.ts";
import type { CallHandle } from "../../pipeline/ports.ts";
import { expandGzip } from "../expand-gzip.ts";
import type { Stream, StreamListener } from "../http2/stream.ts";
import { readPeerCertificate } from "../peer-certificate.ts";
import type { ServerLogger } from "../server-logger.ts";
import { toCallFailure } from "../to-call-failure.ts";
import { FairTurns, type Startable } from "./fair-turns.ts";
import { firstOf, type GrpcMethod, type GrpcOpenCall, type GrpcSink } from "./grpc-method.ts";
import { GrpcReply } from "./grpc-reply.ts";
import { encodingOf, type MessageEncoding, MessageReader } from "./message-reader.ts";
import { ReceiveInTurn } from "./receive-in-turn.ts";

/** Messages from here on come in their tenant's turns, and not at all when the call is refused anyway. */
const heavyBytesMin = 64 * 1024;

/** What policy refuses, of which a tenant may have many in a moment. */
const refusals: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.RATE_LIMITED,
  ErrorReason.CONCURRENCY_LIMITED,
  ErrorReason.BUDGET_EXHAUSTED,
]);

const contentTypes: ReadonlySet<string | undefined> = new Set(["application/grpc", "application/grpc+proto"]);

export type GrpcCallsOptions = {
  /** By `:path`. */
  readonly methods: ReadonlyMap<string | undefined, GrpcMethod>;
  readonly maxRequestBytes: number;
  readonly logger: ServerLogger;
};

/** The calls in flight on this path. */
export class GrpcCalls {
  readonly #options: GrpcCallsOptions;
  readonly #calls = new LiveSet<GrpcCall>();
  readonly #turns = new FairTurns();

  constructor(options: GrpcCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** False, with nothing touched: the stream is not for this path. */
  accept(stream: Stream, headers: IncomingHttpHeaders): boolean {
    const method = this.#options.methods.get(headers[":path"]);
    const contentType = headers["content-type"];
    const isOurs =
      method !== undefined &&
      contentType !== undefined &&
      contentTypes.has(contentType) &&
      headers[":method"] === "POST";
    if (!isOurs) {
      return false;
    }
    const reply = new GrpcReply(stream, contentType);
    const encoding = encodingOf(firstOf(headers["grpc-encoding"]));
    if (encoding instanceof CallFailure) {
      reply.fail(encoding);
      return true;
    }
    const call = new GrpcCall(stream, reply, encoding, this.#options, this.#calls, this.#turns);
    call.seat = this.#calls.add(call);
    stream.listen(call);
    call.open(method, headers);
    return true;
  }

  /** Ends every call with this failure. */
  endAll(failure: CallFailure): void {
    for (const call of this.#calls) {
      call.abort(failure);
    }
  }
}

/** Opens on the headers, reads one message meanwhile, runs, and ends exactly once. */
class GrpcCall implements GrpcSink, StreamListener, Startable {
  readonly #stream: Stream;
  readonly #turns: FairTurns;
  readonly #reply: GrpcReply;
  readonly #options: GrpcCallsOptions;
  readonly #reader: MessageReader;
  readonly #calls: LiveSet<GrpcCall>;
  /** Its own, in `calls`. */
  seat = -1;
  #readFailure: CallFailure | undefined;
  /** `undefined`: its message is small, as far as is known. */
  #largeMessage: ReceiveInTurn | undefined;
  #hasRequestEnded = false;
  #opened: GrpcOpenCall | undefined;
  #tenant = "";
  /** It counts among the calls of its tenant. */
  #isUnderWay = false;
  /** It waits for its turn to begin. */
  #isQueued = false;
  /** `#opened` runs, or was rejected. */
  #isStarted = false;
  #handle: CallHandle | undefined;
  /** Why it is refused, until that is told in its tenant's turn. */
  #refusal: CallFailure | undefined;
  /** Why `abort` was called. */
  #abortedBy: CallFailure | undefined;

  /** `calls`: it is one of them until its stream is closed. */
  constructor(
    stream: Stream,
    reply: GrpcReply,
    encoding: MessageEncoding,
    options: GrpcCallsOptions,
    calls: LiveSet<GrpcCall>,
    turns: FairTurns,
  ) {
    this.#stream = stream;
    this.#turns = turns;
    this.#reply = reply;
    this.#options = options;
    this.#calls = calls;
    this.#reader = new MessageReader(options.maxRequestBytes, encoding);
  }

  open(method: GrpcMethod, headers: IncomingHttpHeaders): void {
    try {
      const opened = method.open(headers, readPeerCertificate(this.#stream.socket));
      if (opened instanceof Promise) {
        opened.then(
          (call) => this.#accept(call),
          (error: unknown) => this.#failUnopened(error),
        );
        return;
      }
      this.#accept(opened);
    } catch (error) {
      this.#failUnopened(error);
    }
  }

  /** Of what is too large, or refused, nothing is kept, and no more is wanted. */
  onData(chunk: Buffer): boolean {
    if (this.#readFailure !== undefined) {
      return false;
    }
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#readFailure = toCallFailure(error, this.#options.logger);
    }
    this.#weigh();
    if (this.#readFailure !== undefined) {
      this.#startWhenRead();
      return false;
    }
    return this.#largeMessage?.take(chunk.length, this.#reader.missingBytes) ?? true;
  }

  onEnd(): void {
    this.#hasRequestEnded = true;
    this.#startWhenRead();
  }

  onDrain(): void {
    this.#handle?.resume();
  }

  onClose(): void {
    this.#calls.remove(this.seat, this);
    if (this.#isUnderWay) this.#turns.leave(this.#tenant);
    // Every stream closes; only one that closes early is a cancel. An error costs its stack, so none is made in vain.
    if (!this.#reply.hasEnded) {
      this.abort(new CallFailure(ErrorReason.CANCELLED, "the caller has gone"));
    }
  }

  get hasEnded(): boolean {
    return this.#reply.hasEnded || this.#abortedBy !== undefined;
  }

  get isFull(): boolean {
    return this.#reply.isFull;
  }

  write(frames: Buffer): boolean {
    return this.#reply.write(frames);
  }

  succeed(frames: Buffer): void {
    this.#reply.succeed(frames);
  }

  fail(failure: CallFailure, frames?: Buffer): void {
    const isRefusal = refusals.has(failure.reason) && !this.#stream.headersSent;
    if (isRefusal && (frames === undefined || frames.length === 0)) this.#failInTurn(failure);
    else this.#reply.fail(failure, frames);
  }

  end(trailers: OutgoingHttpHeaders, frames?: Buffer): void {
    this.#reply.end(trailers, frames);
  }

  /** The caller has gone, or we are going: closes the provider's connection and answers, if somebody still listens. */
  abort(failure: CallFailure): void {
    if (this.hasEnded) {
      return;
    }
    this.#abortedBy = failure;
    if (this.#refusal !== undefined) {
      this.#reply.fail(this.#refusal);
      return;
    }
    if (this.#isStarted) {
      this.#handle?.cancel();
    } else if (this.#opened !== undefined) {
      this.#reject(this.#opened, failure);
    }
    this.#reply.fail(failure);
  }

  #accept(opened: GrpcOpenCall): void {
    this.#opened = opened;
    this.#tenant = opened.tenant;
    this.#reply.takeHeadersFrom(opened);
    if (this.#abortedBy !== undefined) {
      this.#reject(opened, this.#abortedBy);
      return;
    }
    this.#isUnderWay = true;
    this.#turns.enter(opened.tenant);
    this.#weigh();
    this.#startWhenRead();
  }

  /** A large message that is refused in any case need not come. */
  #weigh(): void {
    const opened = this.#opened;
    const isSmall = this.#reader.messageBytes < heavyBytesMin;
    if (isSmall || opened === undefined || this.#largeMessage !== undefined || this.#readFailure !== undefined) {
      return;
    }
    this.#largeMessage = new ReceiveInTurn(this.#stream, this.#turns, opened.tenant);
    this.#readFailure = this.#refusalUnread(opened);
  }

  #refusalUnread(opened: GrpcOpenCall): CallFailure | undefined {
    try {
      return opened.refusalUnread();
    } catch (error) {
      return toCallFailure(error, this.#options.logger, opened.correlationId);
    }
  }

  /** Comes to its end once: when the call is open, and its message is read or cannot be. */
  #startWhenRead(): void {
    const isRead = this.#hasRequestEnded || this.#readFailure !== undefined;
    const isOver = this.#isStarted || this.#abortedBy !== undefined;
    if (this.#opened === undefined || !isRead || this.#isQueued || isOver) {
      return;
    }
    this.#isQueued = true;
    if (this.#readFailure === undefined) this.#turns.run(this.#tenant, this);
    else this.#refuse(this.#opened, this.#readFailure);
  }

  /** Decodes the message and begins, in its tenant's turn. */
  startNow(): void {
    const opened = this.#opened;
    if (opened === undefined || this.#isStarted || this.#abortedBy !== undefined) {
      return;
    }
    try {
      const message = this.#reader.end();
      if (this.#reader.isCompressed) {
        expandGzip(message, this.#options.maxRequestBytes).then(
          (expanded) => this.#startExpanded(opened, expanded),
          (error: unknown) => this.#refuse(opened, error),
        );
        return;
      }
      this.#start(opened, message);
    } catch (error) {
      this.#refuse(opened, error);
    }
  }

  /** It has become larger meanwhile. */
  #startExpanded(opened: GrpcOpenCall, message: Uint8Array): void {
    const isLarge = message.length >= heavyBytesMin && this.#largeMessage === undefined;
    const refusal = isLarge ? this.#refusalUnread(opened) : undefined;
    if (refusal === undefined) this.#turns.run(this.#tenant, { startNow: () => this.#start(opened, message) });
    else this.#refuse(opened, refusal);
  }

  #start(opened: GrpcOpenCall, message: Uint8Array): void {
    if (this.#abortedBy !== undefined) {
      return;
    }
    try {
      const run = opened.read(message);
      this.#isStarted = true;
      this.#handle = run(this);
      if (this.#abortedBy !== undefined) {
        this.#handle.cancel();
      }
    } catch (error) {
      this.#refuse(opened, error);
    }
  }

  #refuse(opened: GrpcOpenCall, error: unknown): void {
    const failure = toCallFailure(error, this.#options.logger, opened.correlationId);
    if (this.#isStarted) {
      this.#reply.fail(failure);
      return;
    }
    this.#isStarted = true;
    // Never rejects. The record comes first, as with every other end of a call.
    void opened.reject(failure).then((told) => this.#failInTurn(told));
  }

  /** A group of them becomes durable at once. */
  #failInTurn(failure: CallFailure): void {
    this.#refusal = failure;
    this.#turns.run(this.#tenant, { startNow: () => this.#reply.fail(failure) });
  }

  #failUnopened(error: unknown): void {
    this.#reply.fail(toCallFailure(error, this.#options.logger));
  }

  /** A call that nobody waits for ends before it was started. */
  #reject(opened: GrpcOpenCall, failure: CallFailure): void {
    this.#isStarted = true;
    void opened.reject(failure); // Never rejects.
  }
}
