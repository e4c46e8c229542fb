import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { type CompleteResponse, CompleteResponseSchema } from "../../contract.ts";
import type { CallFailure } from "../../domain/call-failure.ts";
import { compileEncoder } from "../../encoding/compile-encoder.ts";
import type { CallHandle, Gateway, OpenCall, OutgoingEvent, PeerCertificate } from "../../pipeline/ports.ts";
import { readCallTimeoutMs } from "../call-timeout.ts";
import { decodeBinary } from "../decode-message.ts";
import { assertValid, inferenceMethods, inferencePath } from "../inference-methods.ts";
import type { ServerLogger } from "../server-logger.ts";
import { toCallFailure } from "../to-call-failure.ts";
import { EventEncoder } from "./encode-event.ts";
import { firstOf, type GrpcMethod, type GrpcOpenCall, type GrpcSink, toFrame } from "./grpc-method.ts";

type HotMethod = "Complete" | "StreamComplete";

const encodeComplete = compileEncoder(CompleteResponseSchema);

/** The two hot methods by their `:path`. */
export function inferenceGrpcMethods(gateway: Gateway, logger: ServerLogger): ReadonlyMap<string, GrpcMethod> {
  const methods = (["Complete", "StreamComplete"] as const).map(
    (method) => [inferencePath(method), new InferenceGrpcMethod(method, gateway, logger)] as const,
  );
  return new Map(methods);
}

class InferenceGrpcMethod implements GrpcMethod {
  readonly #method: HotMethod;
  readonly #gateway: Gateway;
  readonly #logger: ServerLogger;

  constructor(method: HotMethod, gateway: Gateway, logger: ServerLogger) {
    this.#method = method;
    this.#gateway = gateway;
    this.#logger = logger;
  }

  open(headers: IncomingHttpHeaders, peer: PeerCertificate | undefined): GrpcOpenCall | Promise<GrpcOpenCall> {
    const header = (name: string) => firstOf(headers[name]);
    const opened = this.#gateway.open({ method: this.#method, header, timeoutMs: readCallTimeoutMs(header), peer });
    return opened instanceof Promise ? opened.then((call) => this.#wrap(call)) : this.#wrap(opened);
  }

  #wrap(opened: OpenCall): GrpcOpenCall {
    return new OpenInference(this.#method, opened, this.#logger);
  }
}

class OpenInference implements GrpcOpenCall {
  readonly #method: HotMethod;
  readonly #opened: OpenCall;
  readonly #logger: ServerLogger;

  constructor(method: HotMethod, opened: OpenCall, logger: ServerLogger) {
    this.#method = method;
    this.#opened = opened;
    this.#logger = logger;
  }

  get correlationId(): string {
    return this.#opened.correlationId;
  }

  get tenant(): string {
    return this.#opened.tenant;
  }

  refusalUnread(): CallFailure | undefined {
    return this.#opened.refusalUnread();
  }

  /** Not earlier: a call that replays another one takes its name when it starts. */
  addHeaders(headers: OutgoingHttpHeaders): void {
    headers["x-request-id"] = toHeaderText(this.#opened.correlationId);
    headers["llmgateway-response-id"] = toHeaderText(this.#opened.responseId);
  }

  read(message: Uint8Array): (sink: GrpcSink) => CallHandle {
    return this.#method === "Complete" ? this.#readComplete(message) : this.#readStreamComplete(message);
  }

  reject(failure: CallFailure): Promise<CallFailure> {
    return this.#opened.reject(failure);
  }

  #readComplete(message: Uint8Array): (sink: GrpcSink) => CallHandle {
    const spec = inferenceMethods.Complete;
    const request = assertValid(spec, decodeBinary(spec.schema, message));
    return (sink) =>
      this.#opened.complete(request, {
        succeed: (response) => this.#succeed(sink, response),
        fail: (failure) => sink.fail(failure),
      });
  }

  #succeed(sink: GrpcSink, response: CompleteResponse): void {
    let frame: Buffer;
    try {
      frame = toFrame(encodeComplete(response));
    } catch (error) {
      // Not aborted: for the pipeline the call has ended.
      sink.fail(this.#toFailure(error));
      return;
    }
    sink.succeed(frame);
  }

  #readStreamComplete(message: Uint8Array): (sink: GrpcSink) => CallHandle {
    const spec = inferenceMethods.StreamComplete;
    const request = assertValid(spec, decodeBinary(spec.schema, message));
    return (sink) => {
      const events = new EventEncoder();
      return this.#opened.streamComplete(request, {
        push: (sequence, event) => this.#push(sink, events, sequence, event),
        flush: () => (events.isEmpty ? !sink.isFull : sink.write(events.take())),
        succeed: () => sink.succeed(events.take()),
        fail: (failure) => sink.fail(failure, events.take()),
      });
    };
  }

  /** An event that cannot be encoded is a bug of ours: it ends this call, and not whoever handed it over. */
  #push(sink: GrpcSink, events: EventEncoder, sequence: number, event: OutgoingEvent): void {
    if (sink.hasEnded) {
      return;
    }
    try {
      events.push(sequence, event);
    } catch (error) {
      sink.abort(this.#toFailure(error));
    }
  }

  #toFailure(error: unknown): CallFailure {
    return toCallFailure(error, this.#logger, this.#opened.correlationId);
  }
}

/** What may stand in a header: the rest is left out. */
function toHeaderText(text: string): string {
  return text.replace(/[^ -~]/g, "");
}
