// The pipeline's sinks as what connect-node wants: a promise, and an async iterable with backpressure. `ctx.signal` also
// aborts after every call that went well, so that an abort counts as a cancel only before the end was heard.
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason, type StreamCompleteResponse, type StreamSpeechResponse } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { toStreamResponse } from "../../encoding/to-stream-response.ts";
import type { CallHandle, OutgoingEvent, SpeechSink, StreamSink, UnarySink } from "../../pipeline/ports.ts";

/** Messages that may wait for a slow reader before the pipeline is told to stop. */
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

export function runStream(
  start: (sink: StreamSink) => CallHandle,
  signal: AbortSignal,
): AsyncIterable<StreamCompleteResponse> {
  const queue = new MessageQueue<StreamCompleteResponse>();
  const sink = {
    push: (sequence: number, event: OutgoingEvent) => queue.push(toStreamResponse(sequence, event)),
    flush: () => queue.flush(),
    succeed: () => queue.succeed(),
    fail: (failure: CallFailure) => queue.fail(failure),
  };
  return drained(queue, () => start(sink), signal);
}

export function runSpeech(
  start: (sink: SpeechSink) => CallHandle,
  signal: AbortSignal,
): AsyncIterable<StreamSpeechResponse> {
  const queue = new MessageQueue<StreamSpeechResponse>();
  return drained(queue, () => start(queue), signal);
}

async function* drained<Message>(
  queue: MessageQueue<Message>,
  start: () => CallHandle,
  signal: AbortSignal,
): AsyncIterable<Message> {
  const handle = start();
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
class MessageQueue<Message> {
  #waiting: Message[] = [];
  #end: CallFailure | "ok" | undefined;
  #isPaused = false;
  #wake: (() => void) | undefined;

  get hasEnded(): boolean {
    return this.#end !== undefined;
  }

  push(message: Message): void {
    this.#waiting.push(message);
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

  /** Throws the failure after the last message. */
  async next(resume: () => void): Promise<Message | "end"> {
    while (true) {
      const message = this.#waiting.shift();
      if (message !== undefined) {
        return message;
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
