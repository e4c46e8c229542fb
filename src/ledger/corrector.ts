// Writes corrections of one journal's events into that journal: only there do its sums know what is replaced. One at a
// time, each with a look at what was written before, so that an event is replaced by one other at most.
import { create, equals } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  AttemptSchema,
  type CorrectUsageRequest,
  type CorrectUsageResponse,
  CorrectUsageResponseSchema,
  ErrorReason,
  type UsageEvent,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { UsageLedger } from "./ledger.ts";
import type { Found } from "./usage-index/usage-reader.ts";

export type CorrectorOptions = {
  readonly ledger: Pick<UsageLedger, "correct">;
  /** What the journal has of an event, all that is durable by now. */
  readonly find: (eventId: string) => Promise<Found | undefined>;
  /** The correction that a request asks for, without an id. Throws `CallFailure` when the request makes no sense. */
  readonly toCorrection: (before: UsageEvent, request: CorrectUsageRequest, nowMs: number) => UsageEvent;
  /** Unique and sortable by time, which is in Unix milliseconds. */
  readonly newId: (nowMs: number) => string;
  /** Unix milliseconds. */
  readonly now: () => number;
};

const limits = { waitingMax: 64, retryMs: 1_000 } as const;

export class Corrector {
  readonly #options: CorrectorOptions;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: CorrectorOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the correction is durable. A repeat with the same request id gets the correction that was made. Rejects
   * with `CallFailure` RESOURCE_NOT_FOUND, CONFLICT when another correction was made, REQUEST_ID_REUSED, INVALID_REQUEST,
   * or GATEWAY_OVERLOADED.
   */
  correct(request: CorrectUsageRequest): Promise<CorrectUsageResponse> {
    if (this.#waiting >= limits.waitingMax) {
      const facts = { retryAfterMs: limits.retryMs };
      return Promise.reject(new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "too many corrections are waiting", facts));
    }
    this.#waiting += 1;
    const done = this.#turn.then(() => this.#correct(request));
    this.#turn = done.then(
      () => undefined,
      () => undefined, // Said to who asked for it.
    );
    return done.finally(() => {
      this.#waiting -= 1;
    });
  }

  async #correct(request: CorrectUsageRequest): Promise<CorrectUsageResponse> {
    const { ledger, find, toCorrection, newId, now } = this.#options;
    const found = await find(request.eventId);
    if (found === undefined) throw eventNotFound(request.eventId);
    const { event: before, correction: made } = found;
    if (made !== undefined) return toResponse(before, this.#asMade(before, made, request));
    const nowMs = now();
    const event = toCorrection(before, request, nowMs);
    if (!request.validateOnly) {
      event.eventId = newId(nowMs);
      await ledger.correct(event);
    }
    return toResponse(before, event);
  }

  /** The correction that was made, if this request is the one that made it. */
  #asMade(before: UsageEvent, made: UsageEvent, request: CorrectUsageRequest): UsageEvent {
    const { correction } = made;
    if (request.requestId === "" || correction?.requestId !== request.requestId) throw correctedAlready(made);
    const madeMs = correction.createTime === undefined ? 0 : timestampMs(correction.createTime);
    if (isSame(this.#options.toCorrection(before, request, madeMs), made)) return made;
    throw new CallFailure(ErrorReason.REQUEST_ID_REUSED, "the request id was used with another payload");
  }
}

export function eventNotFound(eventId: string): CallFailure {
  const message = "no such event here: an event is corrected at the gateway that it names as gateway_instance";
  return new CallFailure(ErrorReason.RESOURCE_NOT_FOUND, message, { resource: { type: "usage_event", name: eventId } });
}

function correctedAlready({ eventId, correctsEventId }: UsageEvent): CallFailure {
  return new CallFailure(ErrorReason.CONFLICT, `the event was corrected by ${eventId}: correct that one`, {
    resource: { type: "usage_event", name: correctsEventId },
    metadata: { correctedBy: eventId },
  });
}

/** What was asked for, whatever it costs: the price list may have changed since. */
function isSame(asked: UsageEvent, made: UsageEvent): boolean {
  const attemptsOf = ({ attempts }: UsageEvent) => attempts.map((attempt) => ({ ...attempt, costNanoUsd: 0n }));
  const [askedAttempts, madeAttempts] = [attemptsOf(asked), attemptsOf(made)];
  return (
    asked.correction?.reason === made.correction?.reason &&
    asked.correction?.prices === made.correction?.prices &&
    askedAttempts.every((attempt, index) => {
      const other = madeAttempts[index];
      return other !== undefined && equals(AttemptSchema, attempt, other);
    })
  );
}

function toResponse(correctedEvent: UsageEvent, event: UsageEvent): CorrectUsageResponse {
  return create(CorrectUsageResponseSchema, { correctedEvent, event });
}
