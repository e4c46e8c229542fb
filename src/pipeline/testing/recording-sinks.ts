import type { CompleteResponse } from "../../contract.ts";
import type { CallFailure } from "../../domain/call-failure.ts";
import type { Part } from "../../domain/contract-types.ts";
import { foldEvent } from "../../domain/fold.ts";
import type { OutgoingEvent, StreamSink, UnarySink } from "../ports.ts";

export type Heard = { readonly sequence: number; readonly event: OutgoingEvent };

/** Keeps what a stream says; throws when it speaks after its end. */
export class RecordingStream implements StreamSink {
  readonly heard: Heard[] = [];
  readonly ends: ("ok" | CallFailure)[] = [];
  isFull = false;
  /** Called after each event. */
  onEvent: (heard: Heard) => void = () => {};

  push(sequence: number, event: OutgoingEvent): void {
    this.#assertOpen();
    const heard = { sequence, event };
    this.heard.push(heard);
    this.onEvent(heard);
  }

  flush(): boolean {
    this.#assertOpen();
    return !this.isFull;
  }

  succeed(): void {
    this.#assertOpen();
    this.ends.push("ok");
  }

  fail(failure: CallFailure): void {
    this.#assertOpen();
    this.ends.push(failure);
  }

  get failure(): CallFailure | undefined {
    const [end] = this.ends;
    return end === "ok" ? undefined : end;
  }

  /** Without heartbeats. */
  get events(): readonly Heard[] {
    return this.heard.filter(({ event }) => event.kind !== "heartbeat");
  }

  #assertOpen(): void {
    if (this.ends.length > 0) throw new Error("a stream spoke after its end");
  }
}

export class RecordingAnswer<Response> implements UnarySink<Response> {
  readonly responses: Response[] = [];
  readonly failures: CallFailure[] = [];

  succeed(response: Response): void {
    this.responses.push(response);
  }

  fail(failure: CallFailure): void {
    this.failures.push(failure);
  }

  get ends(): number {
    return this.responses.length + this.failures.length;
  }
}

/** As a client folds: the parts so far, and with `completed` the whole answer. */
export function foldHeard(heard: readonly Heard[]): { parts: Part[]; response: CompleteResponse | undefined } {
  const parts: Part[] = [];
  let response: CompleteResponse | undefined;
  for (const { event } of heard) {
    if (event.kind === "completed") response = event.response;
    else if (event.kind !== "started" && event.kind !== "heartbeat") foldEvent(parts, event);
  }
  if (response?.message !== undefined) response = { ...response, message: { ...response.message, parts } };
  return { parts, response };
}
