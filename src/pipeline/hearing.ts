import type { CallFailure } from "../domain/call-failure.ts";
import type { UnarySink } from "./ports.ts";

/** Passes the answer on, unless the caller has gone meanwhile. */
export class Hearing<Response> implements UnarySink<Response> {
  #sink: UnarySink<Response> | undefined;

  constructor(sink: UnarySink<Response>) {
    this.#sink = sink;
  }

  succeed(response: Response): void {
    this.#sink?.succeed(response);
  }

  fail(failure: CallFailure): void {
    this.#sink?.fail(failure);
  }

  stop(): void {
    this.#sink = undefined;
  }
}
