// The door between `server/` and the life of a call: authenticates, names the call, keeps the list of what is running.
import {
  type CompleteRequest,
  type CompleteResponse,
  type CountTokensRequest,
  type CountTokensResponse,
  ErrorReason,
  type StreamCompleteRequest,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Caller } from "../domain/principal.ts";
import { CallAccount } from "./call-account.ts";
import { CallScope } from "./call-scope.ts";
import { complete } from "./complete.ts";
import { countTokens } from "./count-tokens.ts";
import { LiveCall } from "./live-call.ts";
import type { PipelineParts } from "./pipeline-parts.ts";
import type { CallHandle, CallStart, Gateway, OpenCall, StreamSink, UnarySink } from "./ports.ts";
import { StreamLife } from "./stream-complete.ts";

export class CompletionGateway implements Gateway {
  readonly #parts: PipelineParts;
  readonly #running = new Set<LiveCall>();
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
  }

  /** Calls under way. */
  get inFlight(): number {
    return this.#running.size;
  }

  open(start: CallStart): OpenCall | Promise<OpenCall> {
    const nowMs = this.#parts.clock.nowMs();
    const caller = this.#parts.authenticator.authenticate(start, nowMs);
    return caller instanceof Promise
      ? caller.then((known) => this.#openFor(start, known, nowMs))
      : this.#openFor(start, caller, nowMs);
  }

  /** From now on new calls are refused; resolves when the last one is over. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** The drain deadline passed: ends what still runs, with a typed failure and its event. */
  stopAll(): void {
    for (const call of this.#running) call.scope.stop("shutdown");
  }

  #openFor(start: CallStart, caller: Caller, startedMs: number): OpenCall {
    const { clock, newId, pricer, traceOf } = this.#parts;
    const id = newId(startedMs);
    const account = new CallAccount(
      {
        id,
        correlationId: correlationIdOf(start.header("x-request-id")) ?? id,
        method: start.method,
        caller,
        trace: traceOf(start.header("traceparent")),
        startedMs,
      },
      clock,
      pricer,
    );
    const deadlineMs = start.timeoutMs === undefined ? undefined : startedMs + start.timeoutMs;
    const scope = new CallScope(start.timeoutMs);
    const call: LiveCall = new LiveCall(this.#parts, account, scope, deadlineMs, () => this.#over(call));
    this.#running.add(call);
    return new GatewayCall(call, () => this.#draining);
  }

  #over(call: LiveCall): void {
    this.#running.delete(call);
    if (this.#running.size === 0) this.#onIdle?.();
  }
}

class GatewayCall implements OpenCall {
  readonly #call: LiveCall;
  readonly #isDraining: () => boolean;

  constructor(call: LiveCall, isDraining: () => boolean) {
    this.#call = call;
    this.#isDraining = isDraining;
  }

  get responseId(): string {
    return this.#call.account.identity.id;
  }

  get correlationId(): string {
    return this.#call.account.identity.correlationId;
  }

  complete(request: CompleteRequest, sink: UnarySink<CompleteResponse>): CallHandle {
    if (this.#refuse(request, sink)) return idleHandle;
    this.#run(complete(this.#call, request, sink), sink);
    return this.#handle(() => {});
  }

  countTokens(request: CountTokensRequest, sink: UnarySink<CountTokensResponse>): CallHandle {
    if (this.#refuse(request.request, sink)) return idleHandle;
    this.#run(countTokens(this.#call, request, sink), sink);
    return this.#handle(() => {});
  }

  streamComplete(request: StreamCompleteRequest, sink: StreamSink): CallHandle {
    const start = request.start.case === "request" ? request.start.value : undefined;
    if (this.#refuse(start, sink)) return idleHandle;
    const life = new StreamLife(this.#call, request.options, sink);
    this.#run(life.run(request), sink);
    return this.#handle(() => life.resume());
  }

  reject(failure: CallFailure): void {
    void this.#call.endFailed(failure); // Never rejects: a fault of the journal is its answer.
  }

  /** While the gateway drains, a call that came over an old connection is refused, and has its event. */
  #refuse(request: CompleteRequest | undefined, sink: { fail(failure: CallFailure): void }): boolean {
    if (!this.#isDraining()) return false;
    if (request !== undefined) this.#call.account.request = request;
    const failure = new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the gateway is shutting down", {
      retryAfterMs: 1_000,
    });
    void this.#call.endFailed(failure).then((told) => sink.fail(told)); // Never rejects, as above.
    return true;
  }

  /** The lives handle what they foresee; anything else is a bug, which must end the call and not the process. */
  #run(life: Promise<void>, sink: { fail(failure: CallFailure): void }): void {
    life.catch((error: unknown) => sink.fail(this.#call.toCallFailure(error)));
  }

  #handle(resume: () => void): CallHandle {
    return { cancel: () => this.#call.scope.stop("caller"), resume };
  }
}

const idleHandle: CallHandle = { cancel: () => {}, resume: () => {} };

/** Correlation only: a bounded, printable value, or none. */
function correlationIdOf(value: string | undefined): string | undefined {
  return value !== undefined && /^[\x21-\x7e]{1,128}$/.test(value) ? value : undefined;
}
