import type { HttpHeaders, HttpRequest } from "../../domain/http.ts";
import type { ProviderFailure } from "../../domain/provider-failure.ts";
import type { Exchange, ExchangeHandler, Upstream } from "../../upstream/upstream.ts";

/** What a provider does next. A script without an end is a provider that falls silent. */
export type ScriptStep =
  | { readonly kind: "start"; readonly status: number; readonly headers?: HttpHeaders }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "failure"; readonly failure: ProviderFailure };

/** An upstream whose providers do what a script says, one step at a time, when the test says so. */
export class ScriptedUpstream implements Upstream {
  readonly exchanges: ScriptedExchange[] = [];
  readonly #scriptOf: (exchange: number, request: HttpRequest) => readonly ScriptStep[];

  /** `exchange`: from 0, in order of dispatch. */
  constructor(scriptOf: (exchange: number, request: HttpRequest) => readonly ScriptStep[]) {
    this.#scriptOf = scriptOf;
  }

  dispatch(providerId: string, request: HttpRequest, handler: ExchangeHandler): Exchange {
    const script = this.#scriptOf(this.exchanges.length, request);
    const exchange = new ScriptedExchange(providerId, request, handler, script);
    this.exchanges.push(exchange);
    return exchange;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Exchanges that have more to do. */
  get playable(): readonly ScriptedExchange[] {
    return this.exchanges.filter((exchange) => exchange.isPlayable);
  }

  /** Neither ended nor aborted. */
  get open(): readonly ScriptedExchange[] {
    return this.exchanges.filter((exchange) => exchange.isOpen);
  }
}

export class ScriptedExchange implements Exchange {
  readonly providerId: string;
  readonly request: HttpRequest;
  isAborted = false;
  isPaused = false;
  readonly #handler: ExchangeHandler;
  readonly #script: readonly ScriptStep[];
  #next = 0;
  #isOver = false;

  constructor(providerId: string, request: HttpRequest, handler: ExchangeHandler, script: readonly ScriptStep[]) {
    this.providerId = providerId;
    this.request = request;
    this.#handler = handler;
    this.#script = script;
  }

  get isOpen(): boolean {
    return !this.#isOver && !this.isAborted;
  }

  get isPlayable(): boolean {
    return this.isOpen && !this.isPaused && this.#next < this.#script.length;
  }

  play(): void {
    const step = this.isPlayable ? this.#script[this.#next] : undefined;
    this.#next += 1;
    switch (step?.kind) {
      case "start":
        this.#handler.onStart(step.status, step.headers ?? {});
        return;
      case "data":
        this.#handler.onData(step.bytes);
        return;
      case "end":
        this.#isOver = true;
        this.#handler.onEnd();
        return;
      case "failure":
        this.#isOver = true;
        this.#handler.onFailure(step.failure);
        return;
      case undefined:
        return;
    }
  }

  abort(): void {
    this.isAborted = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}
