// One attempt at speech: bytes of the wire to bytes of audio, pushed on as they come.
import type { StreamSpeechRequest } from "../contract.ts";
import type { OperationFacts } from "../domain/operation-results.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { SpeechOperation, SpeechReader } from "../providers/provider.ts";
import type { Exchange } from "../upstream/upstream.ts";
import { type AttemptLimits, AttemptTimer } from "./attempt-timer.ts";
import { type CallScope, Stopped } from "./call-scope.ts";
import { ErrorBody } from "./error-body.ts";
import type { PipelineParts } from "./pipeline-parts.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { toReaderError } from "./reader-error.ts";
import { type Seen, timeoutFailure } from "./unary-attempt.ts";
import { withoutCredential } from "./without-credential.ts";

/** Where the audio of an attempt goes. */
export interface AudioTarget {
  audio(data: Uint8Array, mediaType: string): void;
  /** What one piece of bytes gave is complete. False: stop reading until `resume`. */
  flush(): boolean;
}

export class SpeechAttempt {
  readonly #parts: PipelineParts;
  readonly #ready: ReadyAttempt<SpeechOperation>;
  readonly #request: StreamSpeechRequest;
  readonly #target: AudioTarget;
  readonly #timer: AttemptTimer;
  readonly #errorBody: ErrorBody;
  readonly seen: Seen = { status: 0, headers: {} };
  #reader: SpeechReader | undefined;
  #exchange: Exchange | undefined;
  #hasAudio = false;
  #settled = false;
  #resolve: (facts: OperationFacts) => void = () => {};
  #reject: (reason: unknown) => void = () => {};

  constructor(
    parts: PipelineParts,
    ready: ReadyAttempt<SpeechOperation>,
    request: StreamSpeechRequest,
    limits: AttemptLimits,
    target: AudioTarget,
  ) {
    this.#parts = parts;
    this.#ready = ready;
    this.#request = request;
    this.#target = target;
    this.#errorBody = new ErrorBody(parts.limits.errorBytesMax);
    this.#timer = new AttemptTimer(parts.clock, limits, (limit) => this.#abandon(timeoutFailure(limit)));
  }

  /** Resolves with the facts of the answer; rejects with `ProviderFailure` or `Stopped`. Called once. */
  run(scope: CallScope): Promise<OperationFacts> {
    return new Promise<OperationFacts>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      scope.whenStopped((cause) => this.#abandon(new Stopped(cause)));
      this.#exchange = this.#parts.upstream.dispatch(this.#ready.planned.target.providerId, this.#ready.request, {
        onStart: (status, headers) => {
          this.seen.status = status;
          this.seen.headers = headers;
          this.#timer.active();
          if (!this.#isOk) return;
          this.#guarded(() => {
            this.#reader = this.#ready.operation.createReader(headers, this.#request);
          });
        },
        onData: (bytes) => this.#take(bytes),
        onEnd: () => this.#end(),
        onFailure: (failure) => this.#fail(failure),
      });
      // The timer may have fired, or the call may have been stopped, before dispatch returned.
      if (this.#settled) this.#exchange.abort();
    }).finally(() => scope.whenStopped(undefined));
  }

  resume(): void {
    this.#timer.paused = false;
    this.#exchange?.resume();
  }

  get #isOk(): boolean {
    return this.seen.status >= 200 && this.seen.status < 300;
  }

  #take(bytes: Uint8Array): void {
    if (this.#settled) return;
    this.#timer.active();
    if (this.#isOk) this.#guarded(() => this.#pass(bytes));
    else this.#takeError(bytes);
  }

  #pass(bytes: Uint8Array): void {
    const reader = this.#reader;
    for (const data of reader?.read(bytes) ?? []) {
      if (this.#settled) return; // The caller went away in the middle of it.
      if (data.length === 0) continue;
      this.#hasAudio = true;
      this.#timer.contentSeen();
      this.#target.audio(data, reader?.mediaType ?? "");
    }
    if (this.#target.flush()) return;
    this.#timer.paused = true;
    this.#exchange?.pause();
  }

  #end(): void {
    if (this.#settled) return;
    if (!this.#isOk) {
      this.#endError();
      return;
    }
    this.#guarded(() => {
      const facts = this.#reader?.finish();
      if (facts === undefined || !this.#hasAudio) {
        throw new ProviderFailure("bad-response", "the provider's answer holds no audio");
      }
      this.#settled = true;
      this.#timer.stop();
      this.#resolve(facts);
    });
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
      this.#abandon(toReaderError(error));
    }
  }

  #abandon(reason: Error): void {
    if (this.#settled) return;
    this.#exchange?.abort();
    this.#fail(reason);
  }

  #fail(reason: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#timer.stop();
    this.#reject(withoutCredential(reason, this.#ready.credential));
  }
}
