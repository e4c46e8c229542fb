// The pipeline's sinks as what connect-node wants: a promise, and an async iterable with backpressure. `ctx.signal` also
// aborts after every call that went well, so that an abort counts as a cancel only before the end was heard.
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason, type StreamCompleteResponse } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { CallHandle, OutgoingEvent, StreamSink, UnarySink } from "../../pipeline/ports.ts";
import { toStreamResponse } from "../grpc/to-stream-response.ts";

/** Events that may wait for a slow reader before the pipeline is told to stop. */
const waitingMax = 64;

export async function runUnary<Response>(
  start: (sink: UnarySink<Response>) => CallHandle,
  signal: AbortSignal,
): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const handle = start({ succeed: resolve, fail: reject });
  const stopWatching = onAbort(signal, (failure) => {
    handle.cancel();
    reject(failure);
  });
  try {
    return await promise;
  } finally {
    stopWatching();
  }
}

export async function* runStream(
  start: (sink: StreamSink) => CallHandle,
  signal: AbortSignal,
): AsyncIterable<StreamCompleteResponse> {
  const queue = new EventQueue();
  const handle = start(queue);
  const stopWatching = onAbort(signal, (failure) => {
    if (!queue.hasEnded) {
      handle.cancel();
      queue.fail(failure);
    }
  });
  try {
    while (true) {
      const next = await queue.next(() => handle.resume());
      if (next === "end") {
        return;
      }
      yield next;
    }
  } finally {
    stopWatching();
    if (!queue.hasEnded) {
      handle.cancel();
    }
  }
}

/** Calls back once, and not for the deadline: that is the pipeline's to keep, with the details that belong to it. */
function onAbort(signal: AbortSignal, callback: (failure: CallFailure) => void): () => void {
  const listener = () => {
    const { reason } = signal;
    if (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) {
      return;
    }
    callback(reason instanceof CallFailure ? reason : new CallFailure(ErrorReason.CANCELLED, "the caller has gone"));
  };
  if (signal.aborted) {
    listener();
  }
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

/** What was pushed and not yet taken. Bounded by the pipeline, which stops at a `flush` that answers false. */
class EventQueue implements StreamSink {
  #waiting: StreamCompleteResponse[] = [];
  #end: CallFailure | "ok" | undefined;
  #isPaused = false;
  #wake: (() => void) | undefined;

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  push(sequence: number, event: OutgoingEvent): void {
    this.#waiting.push(toStreamResponse(sequence, event));
  }

  flush(): boolean {
    this.#wake?.();
    this.#isPaused = this.#waiting.length >= waitingMax;
    return !this.#isPaused;
  }

  succeed(): void {
    this.#end ??= "ok";
    this.#wake?.();
  }

  fail(failure: CallFailure): void {
    this.#end ??= failure;
    this.#wake?.();
  }

  /** Throws the failure after the last event. */
  async next(resume: () => void): Promise<StreamCompleteResponse | "end"> {
    while (true) {
      const event = this.#waiting.shift();
      if (event !== undefined) {
        return event;
      }
      if (this.#end !== undefined) {
        if (this.#end === "ok") {
          return "end";
        }
        throw this.#end;
      }
      await this.#more(resume);
    }
  }

  #more(resume: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
      if (this.#isPaused) {
        this.#isPaused = false;
        resume();
      }
    });
  }
}
