// One attempt of a stream before and after it speaks: events are held back until the first content, then sent as they
// come; what it has generated is counted for the bill of an attempt that does not finish.
import { AttemptOutcome, type CompleteRequest, type Usage } from "../contract.ts";
import type { CompletionFacts } from "../domain/completion.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import { sumUsage } from "../metering/sum-usage.ts";
import type { ChatOperation } from "../providers/provider.ts";
import { readContextOf, timeLimits } from "./attempt-context.ts";
import type { OpenAttempt } from "./call-account.ts";
import { type CallScope, Stopped } from "./call-scope.ts";
import type { ContinuedParts } from "./continuation.ts";
import { charactersOfTokens, estimateTokens, estimateUsage } from "./estimated-usage.ts";
import { hasConsumed } from "./has-consumed.ts";
import type { LiveCall } from "./live-call.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { StreamAttempt } from "./stream-attempt.ts";
import { StreamSpending, type StreamSpendingPorts } from "./stream-spending.ts";
import { outputTokensBound } from "./worst-cost.ts";

export type StreamRunPorts = {
  /** The first content has come. False: another attempt of the call was faster. */
  readonly claim: () => boolean;
  readonly send: (event: StreamEvent) => void;
  readonly flush: () => boolean;
  /** Set when this attempt goes on where another broke off. */
  readonly continued: ContinuedParts | undefined;
};

/** About 512 tokens; looked at before the clock is. */
const progressCharacters = 256;
const progressCharactersMost = 2_048;
const progressMs = 2_000;

export class StreamRun {
  readonly #call: LiveCall;
  readonly #ready: ReadyAttempt<ChatOperation>;
  readonly #open: OpenAttempt;
  readonly #ports: StreamRunPorts;
  readonly #attempt: StreamAttempt;
  /** Events before the first content. */
  #preamble: StreamEvent[] = [];
  #speaks = false;
  #characters = 0;
  /** Of reasoning among them: what was generated and is shown. */
  #reasoningCharacters = 0;
  /** Of media, which are no characters and count for the least rate all the same. */
  #bytes = 0;
  #progressAt = 0;
  #progressAtMs = 0;
  /** `undefined`: no budget binds the call. */
  readonly #spending: StreamSpending | undefined;

  constructor(
    call: LiveCall,
    request: CompleteRequest,
    ready: ReadyAttempt<ChatOperation>,
    open: OpenAttempt,
    ports: StreamRunPorts,
  ) {
    this.#call = call;
    this.#ready = ready;
    this.#open = open;
    this.#ports = ports;
    this.#attempt = new StreamAttempt(
      call.parts,
      ready,
      readContextOf(call, request, ready),
      timeLimits(ready, request, "stream"),
      {
        event: (event) => this.#event(event),
        flush: () => this.#flush(),
        progress: () => this.#characters + this.#bytes,
      },
    );
    const { spending } = open;
    if (spending !== undefined) this.#spending = new StreamSpending(spending, this.#spendingPorts(request));
  }

  /** Resolves when the provider's answer is complete and in the account; rejects with `ProviderFailure` or `Stopped`. */
  async run(scope: CallScope): Promise<CompletionFacts> {
    const facts = await this.#attempt.run(scope);
    if (!this.#speaks) this.#speak(); // An answer without content is an answer too.
    const { seen } = this.#attempt;
    this.#call.account.endAttempt(this.#open, {
      outcome: AttemptOutcome.SERVED,
      httpStatus: seen.status,
      headers: seen.headers,
      usage: facts.usage ?? this.#estimate(undefined),
      facts,
    });
    this.#call.attemptServed(this.#ready, this.#open, seen);
    return facts;
  }

  /** The reader takes more. What is not paid for is not read all the same: the budget's answer goes on then. */
  resume(): void {
    if (this.#spending?.isWaiting !== true) this.#attempt.resume();
  }

  /** Puts an attempt that did not finish into the account. */
  fail(error: unknown, outcome: AttemptOutcome): void {
    const { seen } = this.#attempt;
    const known = this.#attempt.usage();
    const hasGenerated = known !== undefined || this.#characters > 0;
    const usage = hasGenerated || hasConsumed(error, seen) ? this.#estimate(known) : undefined;
    this.#call.attemptFailed(this.#ready, this.#open, error, seen, usage, outcome);
  }

  /** Tokens of reasoning that the provider has told of and not shown; `undefined`: it does not tell in mid-stream. */
  get hiddenOutputTokens(): number | undefined {
    const reasoning = this.#attempt.usage()?.reasoningOutputTokens;
    return reasoning === undefined ? undefined : Math.max(0, reasoning - estimateTokens(this.#reasoningCharacters));
  }

  #event(event: StreamEvent): void {
    this.#count(event);
    if (this.#speaks) {
      this.#send(event);
      return;
    }
    this.#preamble.push(event);
    if (isContent(event)) this.#speak();
  }

  #flush(): boolean {
    const spending = this.#spending;
    if (spending !== undefined) spending.pieceRead(this.#characters);
    // A held-back attempt has nothing to flush, and must not be held up by a slow reader of nothing.
    const mayRead = !this.#speaks || this.#ports.flush();
    return mayRead && spending?.isWaiting !== true;
  }

  #spendingPorts(request: CompleteRequest): StreamSpendingPorts {
    const { account, parts } = this.#call;
    const { planned } = this.#ready;
    const outputTokensMost = outputTokensBound(request, planned.target.facts);
    return {
      usage: () => {
        // What the provider holds to is truer than our estimate.
        const characters = Math.min(this.#characters, charactersOfTokens(outputTokensMost ?? Number.POSITIVE_INFINITY));
        return estimateUsage(this.#attempt.usage(), account.inputTokensEstimated, characters);
      },
      // What the input was is often told only at the end: until then it is as dear as it was reserved.
      costOf: (usage) => this.#call.mostBilled(planned, request, usage),
      outputTokensMost,
      resume: () => this.#attempt.resume(),
      end: (reason) => this.#attempt.stop(reason),
      nowMs: () => parts.clock.monotonicMs(),
    };
  }

  #speak(): void {
    if (!this.#ports.claim()) throw new Stopped("hedge");
    this.#speaks = true;
    this.#call.account.contentSeen(this.#open);
    this.#attempt.contentSeen();
    const held = this.#preamble;
    this.#preamble = [];
    for (const event of held) this.#send(event);
  }

  #send(event: StreamEvent): void {
    const { continued, send } = this.#ports;
    if (continued === undefined) send(event);
    else for (const placed of continued.place(event)) send(placed);
  }

  /** Notes progress in the journal now and then, so that a crash loses little of the count. */
  #count(event: StreamEvent): void {
    this.#characters += charactersOf(event);
    if (event.kind === "reasoning-delta") this.#reasoningCharacters += event.text.length;
    else if (event.kind === "data-delta") this.#bytes += event.data.length;
    if (this.#spending !== undefined && this.#characters >= this.#spending.lookAt)
      this.#spending.look(this.#characters);
    const since = this.#characters - this.#progressAt;
    if (since < progressCharacters) return;
    const nowMs = this.#call.parts.clock.nowMs();
    if (nowMs - this.#progressAtMs < progressMs && since < progressCharactersMost) return;
    this.#progressAt = this.#characters;
    this.#progressAtMs = nowMs;
    const { identity, usage } = this.#call.account; // Earlier attempts are on the bill too.
    const soFar = sumUsage([usage, this.#estimate(this.#attempt.usage())]);
    if (soFar !== undefined) this.#call.parts.ledger.progress(identity.id, soFar);
  }

  #estimate(known: Usage | undefined): Usage {
    return estimateUsage(known, this.#call.account.inputTokensEstimated, this.#characters);
  }
}

/** Whether an event shows the caller something that cannot be taken back. A part that begins empty does not. */
function isContent(event: StreamEvent): boolean {
  if (event.kind !== "part-start") return event.kind !== "part-end";
  const { content } = event.part;
  if (content.case === "text" || content.case === "reasoning" || content.case === "refusal")
    return content.value.text !== "";
  return true;
}

function charactersOf(event: StreamEvent): number {
  switch (event.kind) {
    case "text-delta":
    case "reasoning-delta":
      return event.text.length;
    case "arguments-delta":
      return event.json.length;
    default:
      return 0;
  }
}
