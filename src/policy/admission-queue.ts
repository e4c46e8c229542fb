// Waiting instead of refusing, when a limit is short for a moment: fair between projects, urgent calls first, and never
// past the caller's deadline. What is refused in the end is refused as if nobody had waited.
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Caller } from "../domain/principal.ts";
import type { Admission, AdmissionRequest, Clock, Reservation } from "../pipeline/ports.ts";

export type AdmissionQueueOptions = {
  readonly admission: Admission;
  readonly clock: Clock;
  /** Longest wait, in milliseconds. */
  readonly waitMsMax: number;
  /** Most calls that wait, over all projects. */
  readonly waitingMax: number;
};

type Waiter = {
  readonly request: AdmissionRequest;
  /** Unix milliseconds after which waiting is over. */
  readonly untilMs: number;
  /** Not worth another try before. */
  dueMs: number;
  latest: CallFailure;
  readonly resolve: (reservation: Reservation) => void;
  readonly reject: (failure: unknown) => void;
};

/** Waiters of one project and priority, oldest first. */
type Lane = { readonly priority: number; readonly projectId: string; readonly waiters: Waiter[] };

/** Only a shortage of the moment is worth waiting for; a budget does not come back within seconds. */
const brief: ReadonlySet<ErrorReason> = new Set([ErrorReason.RATE_LIMITED, ErrorReason.CONCURRENCY_LIMITED]);

export class AdmissionQueue implements Admission {
  readonly #options: AdmissionQueueOptions;
  /** In the order of service: by priority, then in turns. */
  #lanes: Lane[] = [];
  #waiting = 0;
  #timer: NodeJS.Timeout | undefined;
  #pumping = false;
  /** A call ended while those who wait were being asked for. */
  #freedMeanwhile = false;

  constructor(options: AdmissionQueueOptions) {
    this.#options = options;
  }

  /** Calls that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  get fallback(): Admission["fallback"] {
    return this.#options.admission.fallback;
  }

  /** Not while it may be waited out. */
  refusal(caller: Caller, nowMs: number): CallFailure | undefined {
    const found = this.#options.admission.refusal?.(caller, nowMs);
    const isHopeless =
      found?.reason === ErrorReason.RATE_LIMITED && (found.facts.retryAfterMs ?? 0) > this.#options.waitMsMax;
    return isHopeless ? found : undefined;
  }

  admit(request: AdmissionRequest, nowMs: number): Reservation | Promise<Reservation> {
    // Who comes now stands behind those of its own project and priority who came before, for the same reason.
    const ahead = this.#laneOf(request)?.waiters[0];
    if (ahead !== undefined) return this.#waitOrThrow(request, ahead.latest, nowMs);
    try {
      const admitted = this.#options.admission.admit(request, nowMs);
      if (!(admitted instanceof Promise)) return this.#watched(admitted);
      return admitted.then(
        (reservation) => this.#watched(reservation),
        (error: unknown) => this.#waitOrThrow(request, error, this.#options.clock.nowMs()),
      );
    } catch (error) {
      return this.#waitOrThrow(request, error, nowMs);
    }
  }

  #waitOrThrow(request: AdmissionRequest, error: unknown, nowMs: number): Promise<Reservation> {
    if (!(error instanceof CallFailure) || !brief.has(error.reason)) throw error;
    const untilMs = Math.min(nowMs + this.#options.waitMsMax, request.deadlineMs ?? Number.POSITIVE_INFINITY);
    const dueMs = nowMs + (error.facts.retryAfterMs ?? 0);
    // A slot of a concurrency limit may come free at any time; a rate says when it is worth to ask again.
    const isHopeless = error.reason === ErrorReason.RATE_LIMITED && dueMs > untilMs;
    if (isHopeless || this.#waiting >= this.#options.waitingMax || untilMs <= nowMs) throw error;
    return new Promise((resolve, reject) => {
      this.#laneFor(request).waiters.push({ request, untilMs, dueMs, latest: error, resolve, reject });
      this.#waiting += 1;
      this.#arm();
    });
  }

  /** A reservation whose end may let somebody in. */
  #watched(reservation: Reservation): Reservation {
    const extend = reservation.extend?.bind(reservation);
    return {
      reservedNanoUsd: reservation.reservedNanoUsd,
      ...(extend === undefined ? {} : { extend }),
      cancel: (nowMs) => {
        reservation.cancel(nowMs);
        this.#freed();
      },
      settle: (actual, nowMs) => {
        reservation.settle(actual, nowMs);
        this.#freed();
      },
    };
  }

  #freed(): void {
    if (this.#waiting > 0) queueMicrotask(() => void this.#pump(true)); // Never rejects.
  }

  /** `wasFreed`: a call ended, so that those who wait for a slot may ask before they are due. */
  async #pump(wasFreed: boolean): Promise<void> {
    if (this.#pumping) {
      this.#freedMeanwhile ||= wasFreed;
      return;
    }
    this.#pumping = true;
    this.#freedMeanwhile = wasFreed;
    do {
      const hasFreed = this.#freedMeanwhile;
      this.#freedMeanwhile = false;
      for (const lane of [...this.#lanes]) await this.#serve(lane, hasFreed);
    } while (this.#freedMeanwhile);
    this.#lanes = this.#lanes.filter(({ waiters }) => waiters.length > 0);
    this.#pumping = false;
    this.#arm();
  }

  /** Lets in the oldest of a lane, if its limits allow, and puts the lane behind those of equal priority. */
  async #serve(lane: Lane, wasFreed: boolean): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const [first] = lane.waiters;
    if (first === undefined) return;
    if (nowMs >= first.untilMs) {
      this.#leave(lane, first);
      first.reject(first.latest);
      return;
    }
    const mayAsk = nowMs >= first.dueMs || (wasFreed && first.latest.reason === ErrorReason.CONCURRENCY_LIMITED);
    if (!mayAsk) return;
    try {
      const reservation = await this.#options.admission.admit(first.request, nowMs);
      this.#leave(lane, first);
      first.resolve(this.#watched(reservation));
      this.#toTheBack(lane);
    } catch (error) {
      this.#refused(lane, first, error, nowMs);
    }
  }

  #refused(lane: Lane, waiter: Waiter, error: unknown, nowMs: number): void {
    if (error instanceof CallFailure && brief.has(error.reason)) {
      waiter.latest = error;
      waiter.dueMs = nowMs + Math.max(error.facts.retryAfterMs ?? 0, retryMsMin);
      return;
    }
    this.#leave(lane, waiter);
    waiter.reject(error);
  }

  #leave(lane: Lane, waiter: Waiter): void {
    const index = lane.waiters.indexOf(waiter);
    if (index === -1) return;
    lane.waiters.splice(index, 1);
    this.#waiting -= 1;
  }

  #toTheBack(lane: Lane): void {
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    this.#insert(lane);
  }

  #insert(lane: Lane): void {
    const index = this.#lanes.findIndex(({ priority }) => priority < lane.priority);
    this.#lanes.splice(index === -1 ? this.#lanes.length : index, 0, lane);
  }

  #laneOf({ priority, caller }: AdmissionRequest): Lane | undefined {
    if (this.#waiting === 0) return undefined;
    return this.#lanes.find(
      (lane) => lane.priority === priority && lane.projectId === caller.projectId && lane.waiters.length > 0,
    );
  }

  #laneFor(request: AdmissionRequest): Lane {
    const { priority, caller } = request;
    const found = this.#lanes.find((lane) => lane.priority === priority && lane.projectId === caller.projectId);
    if (found !== undefined) return found;
    const lane: Lane = { priority, projectId: caller.projectId, waiters: [] };
    this.#insert(lane);
    return lane;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#waiting === 0) return;
    const nowMs = this.#options.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { waiters } of this.#lanes) {
      const [first] = waiters;
      if (first !== undefined) nextMs = Math.min(nextMs, first.dueMs, first.untilMs);
    }
    this.#timer = setTimeout(() => void this.#pump(false), Math.max(1, nextMs - nowMs)); // Never rejects.
    this.#timer.unref();
  }
}

const retryMsMin = 10;
