// The door between `server/` and the life of a call: authenticates, names the call, keeps the list of what is running.

import { LiveSet } from "../domain/live-set.ts";
import type { Caller } from "../domain/principal.ts";
import { CallAccount } from "./call-account.ts";
import { CallScope, Stopped } from "./call-scope.ts";
import { GatewayCall } from "./gateway-call.ts";
import { LiveCall } from "./live-call.ts";
import type { PipelineParts } from "./pipeline-parts.ts";
import type { CallStart, Gateway, OpenCall } from "./ports.ts";
import { answerQuestions } from "./replay/answer-questions.ts";
import { defaultReplayLimits, type ReplayLimits, ReplayStore } from "./replay/replay-store.ts";

export class CompletionGateway implements Gateway {
  readonly #parts: PipelineParts;
  readonly #running = new LiveSet<LiveCall>();
  readonly #replays: ReplayStore;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(parts: PipelineParts, replayLimits: ReplayLimits = defaultReplayLimits) {
    this.#parts = parts;
    this.#replays = new ReplayStore(replayLimits, parts.clock);
    if (parts.sharedCalls !== undefined) answerQuestions(parts.sharedCalls, this.#replays);
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
        trace: traceOf(start.header("traceparent"), start.header("tracestate")),
        startedMs,
      },
      clock,
      pricer,
    );
    const deadlineMs = start.timeoutMs === undefined ? undefined : startedMs + start.timeoutMs;
    // Counted from the start: authentication may have taken its share of the time.
    const scope = new CallScope(deadlineMs === undefined ? undefined : Math.max(0, deadlineMs - clock.nowMs()));
    const call: LiveCall = new LiveCall(this.#parts, account, scope, deadlineMs, () => this.#over(call, seat));
    const seat = this.#running.add(call);
    // A caller whose message never arrives has its deadline too. `begin` takes over.
    scope.whenStopped((cause) => void call.endFailed(new Stopped(cause)));
    return new GatewayCall(call, this.#replays, this.#parts.sharedCalls, () => this.#draining);
  }

  #over(call: LiveCall, seat: number): void {
    this.#running.remove(seat, call);
    if (this.#running.size === 0) this.#onIdle?.();
  }
}

/** Correlation only: a bounded, printable value, or none. */
function correlationIdOf(value: string | undefined): string | undefined {
  return value !== undefined && /^[\x21-\x7e]{1,128}$/.test(value) ? value : undefined;
}
