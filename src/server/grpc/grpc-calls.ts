// gRPC as the two hot methods need it, on the core stream API of `node:http2`: a third of the cost of connect-node on unary
// calls and on bursts, and all messages of one upstream read leave in one write. Everything else is connect-node's.
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { type CompleteResponse, CompleteResponseSchema, ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { compileEncoder } from "../../encoding/compile-encoder.ts";
import type { CallHandle, Gateway, OpenCall, OutgoingEvent } from "../../pipeline/ports.ts";
import { readCallTimeoutMs } from "../call-timeout.ts";
import { decodeBinary } from "../decode-message.ts";
import { assertValid, inferenceMethods, inferencePath } from "../inference-methods.ts";
import { readPeerCertificate } from "../peer-certificate.ts";
import type { ServerLogger } from "../server-logger.ts";
import { toCallFailure } from "../to-call-failure.ts";
import { EventEncoder } from "./encode-event.ts";
import { GrpcReply } from "./grpc-reply.ts";
import { MessageReader } from "./message-reader.ts";

type HotMethod = "Complete" | "StreamComplete";

const methodByPath: ReadonlyMap<string | undefined, HotMethod> = new Map([
  [inferencePath("Complete"), "Complete"],
  [inferencePath("StreamComplete"), "StreamComplete"],
]);
const contentTypes: ReadonlySet<string | undefined> = new Set(["application/grpc", "application/grpc+proto"]);

export type GrpcCallsOptions = {
  readonly gateway: Gateway;
  readonly maxRequestBytes: number;
  readonly logger: ServerLogger;
};

/** The calls in flight on this path. */
export class GrpcCalls {
  readonly #options: GrpcCallsOptions;
  readonly #calls = new Set<GrpcCall>();

  constructor(options: GrpcCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** False, with nothing touched: the stream is not for this path. */
  accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
    const method = methodByPath.get(headers[":path"]);
    const contentType = headers["content-type"];
    const isOurs =
      method !== undefined &&
      contentType !== undefined &&
      contentTypes.has(contentType) &&
      headers[":method"] === "POST" &&
      isIdentity(headers["grpc-encoding"]);
    if (!isOurs) {
      return false;
    }
    const call = new GrpcCall(method, stream, new GrpcReply(stream, contentType), this.#options);
    this.#calls.add(call);
    stream.on("close", () => this.#calls.delete(call));
    call.open(headers);
    return true;
  }

  /** Ends every call with this failure. */
  endAll(failure: CallFailure): void {
    for (const call of this.#calls) {
      call.end(failure);
    }
  }
}

function isIdentity(encoding: string | string[] | undefined): boolean {
  return encoding === undefined || encoding === "identity";
}

/** Opens on the headers, reads one message meanwhile, runs, and ends exactly once. */
class GrpcCall {
  readonly #method: HotMethod;
  readonly #stream: ServerHttp2Stream;
  readonly #reply: GrpcReply;
  readonly #options: GrpcCallsOptions;
  readonly #reader: MessageReader;
  #readFailure: CallFailure | undefined;
  #hasRequestEnded = false;
  #opened: OpenCall | undefined;
  /** One of the methods of `#opened` was called. */
  #isStarted = false;
  #handle: CallHandle | undefined;
  /** Why `end` was called. */
  #endedBy: CallFailure | undefined;

  constructor(method: HotMethod, stream: ServerHttp2Stream, reply: GrpcReply, options: GrpcCallsOptions) {
    this.#method = method;
    this.#stream = stream;
    this.#reply = reply;
    this.#options = options;
    this.#reader = new MessageReader(options.maxRequestBytes);
    stream.on("data", (chunk: Buffer) => this.#read(chunk));
    stream.on("end", () => this.#endRequest());
    stream.on("drain", () => this.#handle?.resume());
    stream.on("close", () => {
      // Every stream closes; only one that closes early is a cancel. An error costs its stack, so none is made in vain.
      if (!reply.hasEnded) this.end(new CallFailure(ErrorReason.CANCELLED, "the caller has gone"));
    });
    // A reset arrives as "error" and then as "close", where it is handled.
    stream.on("error", () => undefined);
  }

  open(headers: IncomingHttpHeaders): void {
    const header = (name: string) => firstOf(headers[name]);
    try {
      const opened = this.#options.gateway.open({
        method: this.#method,
        header,
        timeoutMs: readCallTimeoutMs(header),
        peer: readPeerCertificate(this.#stream.session?.socket),
      });
      if (opened instanceof Promise) {
        opened.then(
          (call) => this.#accept(call),
          (error: unknown) => this.#fail(error),
        );
        return;
      }
      this.#accept(opened);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The caller has gone, or we are going: closes the provider's connection and answers, if somebody still listens. */
  end(failure: CallFailure): void {
    if (this.#reply.hasEnded || this.#endedBy !== undefined) {
      return;
    }
    this.#endedBy = failure;
    if (this.#isStarted) {
      this.#handle?.cancel();
    } else if (this.#opened !== undefined) {
      this.#reject(this.#opened, failure);
    }
    this.#reply.fail(failure);
  }

  #accept(opened: OpenCall): void {
    this.#opened = opened;
    this.#reply.name(opened);
    if (this.#endedBy !== undefined) {
      this.#reject(opened, this.#endedBy);
      return;
    }
    this.#startWhenRead();
  }

  #read(chunk: Buffer): void {
    if (this.#readFailure !== undefined) {
      return;
    }
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#readFailure = toCallFailure(error, this.#options.logger);
      this.#startWhenRead();
    }
  }

  #endRequest(): void {
    this.#hasRequestEnded = true;
    this.#startWhenRead();
  }

  #startWhenRead(): void {
    const isRead = this.#hasRequestEnded || this.#readFailure !== undefined;
    if (this.#opened === undefined || !isRead || this.#isStarted || this.#endedBy !== undefined) {
      return;
    }
    try {
      if (this.#readFailure !== undefined) {
        throw this.#readFailure;
      }
      this.#handle = this.#start(this.#opened, this.#reader.end());
      if (this.#endedBy !== undefined) {
        this.#handle.cancel();
      }
    } catch (error) {
      const failure = this.#fail(error);
      this.#reject(this.#opened, failure);
    }
  }

  #start(opened: OpenCall, message: Uint8Array): CallHandle {
    if (this.#method === "Complete") {
      const spec = inferenceMethods.Complete;
      const request = assertValid(spec, decodeBinary(spec.schema, message));
      this.#isStarted = true;
      return opened.complete(request, {
        succeed: (response) => this.#succeedUnary(response),
        fail: (failure) => this.#reply.fail(failure),
      });
    }
    const spec = inferenceMethods.StreamComplete;
    const request = assertValid(spec, decodeBinary(spec.schema, message));
    const events = new EventEncoder();
    this.#isStarted = true;
    return opened.streamComplete(request, {
      push: (sequence, event) => this.#push(events, sequence, event),
      flush: () => (events.isEmpty ? !this.#stream.writableNeedDrain : this.#reply.write(events.take())),
      succeed: () => this.#reply.succeed(events.take()),
      fail: (failure) => this.#reply.fail(failure, events.take()),
    });
  }

  #succeedUnary(response: CompleteResponse): void {
    try {
      this.#reply.succeed(toFrame(response));
    } catch (error) {
      // Not cancelled: for the pipeline the call has ended.
      this.#fail(error);
    }
  }

  /** An event that cannot be encoded is a bug of ours: it ends this call, and not whoever handed it over. */
  #push(events: EventEncoder, sequence: number, event: OutgoingEvent): void {
    if (this.#endedBy !== undefined) {
      return;
    }
    try {
      events.push(sequence, event);
    } catch (error) {
      this.end(toCallFailure(error, this.#options.logger, this.#opened?.correlationId));
    }
  }

  #fail(error: unknown): CallFailure {
    const failure = toCallFailure(error, this.#options.logger, this.#opened?.correlationId);
    this.#reply.fail(failure);
    return failure;
  }

  /** A call that ends before it was started; later errors of a started call are the pipeline's. */
  #reject(opened: OpenCall, failure: CallFailure): void {
    if (!this.#isStarted) {
      this.#isStarted = true;
      opened.reject(failure);
    }
  }
}

const encodeComplete = compileEncoder(CompleteResponseSchema);

function toFrame(response: CompleteResponse): Buffer {
  const message = encodeComplete(response);
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
