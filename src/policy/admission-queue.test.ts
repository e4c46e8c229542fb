import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Admission, AdmissionRequest, Reservation } from "../pipeline/ports.ts";
import { AdmissionQueue } from "./admission-queue.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
});
afterEach(() => {
  vi.useRealTimers();
});

const clock = { nowMs: () => Date.now(), monotonicMs: () => Date.now() };

function request(projectId: string, priority = 1, deadlineMs?: number): AdmissionRequest {
  const caller = { organisationId: "", teamId: "", projectId, keyId: "", service: "", roles: [], models: [] };
  return {
    caller,
    endUserId: "",
    model: "m",
    inputTokens: 1,
    maxOutputTokens: 1,
    worstCostNanoUsd: () => 0n,
    deadlineMs,
    priority,
  };
}

/** `slots` calls at once, and no more. */
function slots(count: number): Admission & { held: number } {
  const admission = {
    held: 0,
    admit(): Reservation {
      if (admission.held >= count)
        throw new CallFailure(ErrorReason.CONCURRENCY_LIMITED, "busy", { retryAfterMs: 1_000 });
      admission.held += 1;
      return {
        reservedNanoUsd: 0n,
        cancel: () => {
          admission.held -= 1;
        },
        settle: () => {
          admission.held -= 1;
        },
      };
    },
  };
  return admission;
}

const nothing = { inputTokens: 0, outputTokens: 0, costNanoUsd: 0n };

function queueOver(admission: Admission, waitMsMax = 5_000, waitingMax = 100): AdmissionQueue {
  return new AdmissionQueue({ admission, clock, waitMsMax, waitingMax });
}

describe("the admission queue", () => {
  it("costs nothing while nobody has to wait", () => {
    const reservation = queueOver(slots(1)).admit(request("a"), 0);
    expect(reservation).not.toBeInstanceOf(Promise);
  });

  it("lets the next one in as soon as a call ends", async () => {
    const queue = queueOver(slots(1));
    const first = (await queue.admit(request("a"), 0)) as Reservation;
    const second = queue.admit(request("a"), 0) as Promise<Reservation>;
    expect(queue.waiting).toBe(1);
    first.settle(nothing, 0);
    await expect(second).resolves.toBeDefined();
    expect(queue.waiting).toBe(0);
  });

  it("takes turns between projects, and urgent calls first", async () => {
    const queue = queueOver(slots(1));
    const order: string[] = [];
    let current = (await queue.admit(request("a"), 0)) as Reservation;
    const wait = (name: string, projectId: string, priority = 1) =>
      (queue.admit(request(projectId, priority), 0) as Promise<Reservation>).then((reservation) => {
        order.push(name);
        current = reservation;
      });
    const waiting = [wait("a1", "a"), wait("a2", "a"), wait("a3", "a"), wait("b1", "b"), wait("urgent", "c", 2)];
    for (const _ of waiting) {
      current.settle(nothing, 0);
      await vi.advanceTimersByTimeAsync(0);
    }
    await Promise.all(waiting);
    expect(order).toEqual(["urgent", "a1", "b1", "a2", "a3"]);
  });

  it("gives up at the caller's deadline with the refusal that it would have had", async () => {
    const queue = queueOver(slots(0));
    const waiting = queue.admit(request("a", 1, 200), 0) as Promise<Reservation>;
    const told = expect(waiting).rejects.toMatchObject({ reason: ErrorReason.CONCURRENCY_LIMITED });
    await vi.advanceTimersByTimeAsync(250);
    await told;
    expect(queue.waiting).toBe(0);
  });

  it("refuses before a call is read what would not be waited for, and nothing else", () => {
    const { caller } = request("a");
    const refusing = (reason: ErrorReason, retryAfterMs: number): AdmissionQueue =>
      queueOver({ ...slots(0), refusal: () => new CallFailure(reason, "no", { retryAfterMs }) });
    expect(refusing(ErrorReason.RATE_LIMITED, 60_000).refusal(caller, 0)?.message).toBe("no");
    expect(refusing(ErrorReason.RATE_LIMITED, 1_000).refusal(caller, 0)).toBeUndefined();
    expect(refusing(ErrorReason.CONCURRENCY_LIMITED, 60_000).refusal(caller, 0)).toBeUndefined();
    expect(queueOver(slots(0)).refusal(caller, 0)).toBeUndefined();
  });

  it("does not wait for what comes too late, nor for a budget, nor beyond its own bound", () => {
    const late = new CallFailure(ErrorReason.RATE_LIMITED, "later", { retryAfterMs: 60_000 });
    const spent = new CallFailure(ErrorReason.BUDGET_EXHAUSTED, "spent");
    const refusing = (failure: CallFailure): Admission => ({
      admit: () => {
        throw failure;
      },
    });
    expect(() => queueOver(refusing(late)).admit(request("a"), 0)).toThrow(late);
    expect(() => queueOver(refusing(spent)).admit(request("a"), 0)).toThrow(spent);
    const full = queueOver(slots(0), 5_000, 0);
    expect(() => full.admit(request("a"), 0)).toThrow("busy");
  });
});
