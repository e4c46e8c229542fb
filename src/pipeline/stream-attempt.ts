// One streamed attempt: bytes to events of the wire, to events of the contract, pushed on as they come. One call of
// `onData` gives one `flush`, so that what arrived together leaves together. The hot path of the gateway.
import type { CompletionFacts } from "../domain/completion.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import type { ChatOperation, EventReader, ReadContext } from "../providers/provider.ts";
import type { Exchange } from "../upstream/upstream.ts";
import { createDecoder } from "../wire/framings.ts";
import type { FrameDecoder, WireEvent } from "../wire/wire-event.ts";
import { type AttemptLimits, AttemptTimer } from "./attempt-timer.ts";
import { type CallScope, Stopped } from "./call-scope.ts";
import { ErrorBody } from "./error-body.ts";
import type { PipelineParts } from "./pipeline-parts.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { toReaderError } from "./reader-error.ts";
import { type Seen, timeoutFailure } from "./unary-attempt.ts";
import { withoutCredential } from "./without-credential.ts";

/** Where the events of an attempt go. */
export interface StreamTarget {
  event(event: StreamEvent): void;
  /** What one piece of bytes gave is complete. False: stop reading until `resume`. */
  flush(): boolean;
  /** Characters of the answer so far: what the least rate is measured by. */
  progress(): number;
}

/** How long a connection may linger after the provider's own end of answer before it is closed instead of reused. */
const lingerMs = 1_000;

export class StreamAttempt {
  readonly #parts: PipelineParts;
  readonly #ready: ReadyAttempt<ChatOperation>;
  readonly #target: StreamTarget;
  readonly #reader: EventReader;
  readonly #decoder: FrameDecoder;
  readonly #timer: AttemptTimer;
  readonly #errorBody: ErrorBody;
  readonly seen: Seen = { status: 0, headers: {} };
  #exchange: Exchange | undefined;
  #settled = false;
  #linger: NodeJS.Timeout | undefined;
  #resolve: (facts: CompletionFacts) => void = () => {};
  #reject: (reason: unknown) => void = () => {};

  constructor(
    parts: PipelineParts,
    ready: ReadyAttempt<ChatOperation>,
    context: ReadContext,
    limits: AttemptLimits,
    target: StreamTarget,
  ) {
    this.#parts = parts;
    this.#ready = ready;
    this.#target = target;
    this.#reader = ready.operation.createReader(context);
    this.#decoder = createDecoder(ready.operation.framing, { eventBytesMax: parts.limits.eventBytesMax });
    this.#errorBody = new ErrorBody(parts.limits.errorBytesMax);
    this.#timer = new AttemptTimer(
      parts.clock,
      limits,
      (limit) => this.#abandon(timeoutFailure(limit)),
      () => target.progress(),
    );
  }

  /** Resolves with the facts of the answer; rejects with `ProviderFailure` or `Stopped`. Called once. */
  run(scope: CallScope): Promise<CompletionFacts> {
    return new Promise<CompletionFacts>((resolve, reject) => {
      this.#resolve = (facts) => {
        scope.whenStopped(undefined);
        resolve(facts);
      };
      this.#reject = (reason) => {
        scope.whenStopped(undefined);
        reject(reason);
      };
      scope.whenStopped((cause) => this.#abandon(new Stopped(cause)));
      this.#exchange = this.#parts.upstream.dispatch(this.#ready.planned.target.providerId, this.#ready.request, {
        onStart: (status, headers) => {
          this.seen.status = status;
          this.seen.headers = headers;
          this.#timer.active();
        },
        onData: (bytes) => this.#take(bytes),
        onEnd: () => this.#end(),
        onFailure: (failure) => this.#fail(failure),
      });
      // The timer may have fired, or the call may have been stopped, before dispatch returned.
      if (this.#settled) this.#exchange.abort();
    });
  }

  /** Counts known so far, for an attempt that does not finish. */
  usage(): ReturnType<EventReader["usage"]> {
    return this.#reader.usage();
  }

  contentSeen(): void {
    this.#timer.contentSeen();
  }

  resume(): void {
    if (this.#settled) return;
    this.#timer.paused = false;
    this.#exchange?.resume();
  }

  /** Ends the attempt from outside: what came so far goes out, the provider's connection is closed. */
  stop(reason: Error): void {
    if (this.#settled) return;
    let because = reason;
    try {
      this.#target.flush();
    } catch (error) {
      because = toReaderError(error); // Nobody above hears it otherwise, and the attempt ends all the same.
    }
    this.#abandon(because);
  }

  #take(bytes: Uint8Array): void {
    if (this.#settled) return;
    this.#timer.active();
    if (this.seen.status < 200 || this.seen.status >= 300) {
      this.#takeError(bytes);
      return;
    }
    this.#guarded(() => {
      this.#read(this.#decoder.push(bytes));
      if (this.#settled) return; // The caller went away in the middle of it.
      if (this.#reader.isDone()) this.#complete();
      else this.#flush();
    });
  }

  #end(): void {
    clearTimeout(this.#linger);
    if (this.#settled) return;
    if (this.seen.status < 200 || this.seen.status >= 300) {
      this.#endError();
      return;
    }
    this.#guarded(() => {
      this.#read(this.#decoder.finish());
      if (!this.#settled) this.#complete();
    });
    clearTimeout(this.#linger); // The exchange is over: nothing is left to close.
  }

  #read(events: readonly WireEvent[]): void {
    for (const event of events) {
      if (this.#settled) return;
      for (const out of this.#reader.read(event)) this.#target.event(out);
    }
  }

  /** The provider's own end of answer: whatever bytes follow cannot change it, so the caller need not wait for them. */
  #complete(): void {
    const end = this.#reader.finish();
    for (const event of end.events) this.#target.event(event);
    this.#settled = true;
    this.#timer.stop();
    this.#linger = setTimeout(() => this.#exchange?.abort(), lingerMs);
    this.#linger.unref();
    this.#resolve(end.facts);
  }

  #flush(): void {
    if (this.#target.flush()) return;
    this.#timer.paused = true;
    this.#exchange?.pause();
  }

  #takeError(bytes: Uint8Array): void {
    if (this.#errorBody.add(bytes)) return;
    this.#exchange?.abort();
    this.#endError();
  }

  #endError(): void {
    const { status, headers } = this.seen;
    this.#fail(this.#ready.configured.provider.toFailure(status, headers, this.#errorBody.joined()));
  }

  /** A reader that refuses, or bytes that break the framing, end the attempt; anything else is a bug and goes up. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#target.flush();
      this.#abandon(toReaderError(error));
    }
  }

  #abandon(reason: Error): void {
    if (this.#settled) return;
    this.#exchange?.abort();
    this.#fail(reason);
  }

  #fail(reason: Error): void {
    clearTimeout(this.#linger);
    if (this.#settled) return;
    this.#settled = true;
    this.#timer.stop();
    this.#reject(withoutCredential(reason, this.#ready.credential));
  }
}
