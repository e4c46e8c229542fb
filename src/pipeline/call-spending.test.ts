// Calls under a budget that takes its time to answer: nobody reads on meanwhile, no attempt begins that is not paid for.
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  CompleteRequestSchema,
  ErrorReason,
  Outcome,
  RecoveryMode,
  Role,
  StreamCompleteRequestSchema,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { createOpenAiProvider } from "../providers/openai/index.ts";
import type { CallAccount, OpenAttempt } from "./call-account.ts";
import { CallSpending } from "./call-spending.ts";
import { openAiWire, streamScript, wholeScript } from "./testing/chat-answers.ts";
import { RecordingAnswer, RecordingStream } from "./testing/recording-sinks.ts";
import { settled, World } from "./testing/world.ts";

const openAi = createOpenAiProvider({ id: "openai", kind: "openai" });
const exhausted = new CallFailure(ErrorReason.BUDGET_EXHAUSTED, "the budget does not cover the call");

/** A budget of one call: reserves what is asked at first, and more as the test says. One token costs one nano-USD. */
class SlowBudget {
  reserved = 0n;
  readonly asked: bigint[] = [];
  settledAt: bigint | undefined;
  #answer: (failure: CallFailure | undefined) => void = () => {};

  get parts() {
    return {
      admission: {
        admit: ({ worstCostNanoUsd }: { readonly worstCostNanoUsd: () => bigint | undefined }) => {
          this.reserved = worstCostNanoUsd() ?? 0n;
          return {
            reservedNanoUsd: this.reserved,
            extend: (total: bigint) => {
              this.asked.push(total);
              return new Promise<CallFailure | undefined>((resolve) => {
                this.#answer = resolve;
              });
            },
            cancel: () => {},
            settle: ({ costNanoUsd }: { readonly costNanoUsd: bigint }) => {
              this.settledAt = costNanoUsd;
            },
          };
        },
      },
    };
  }

  async answer(failure: CallFailure | undefined): Promise<void> {
    if (failure === undefined) this.reserved = this.asked.at(-1) ?? this.reserved;
    this.#answer(failure);
    await settled();
  }
}

const message = { role: Role.USER, parts: [{ content: { case: "text" as const, value: { text: "Say much." } } }] };
const request = () => create(CompleteRequestSchema, { model: "m", messages: [message] });
const streamRequest = (recovery: RecoveryMode = RecoveryMode.FAIL) =>
  create(StreamCompleteRequestSchema, { start: { case: "request", value: request() }, options: { recovery } });

/** 16 tokens a piece, as they are estimated. */
function longStream(pieces: number) {
  return streamScript(openAiWire.events({ text: Array.from({ length: pieces }, () => "x".repeat(64)) }));
}

describe("a stream whose budget is asked", () => {
  it("is not read on while the answer is under way, and is when it has come", async () => {
    const budget = new SlowBudget();
    const world = new World({ providers: [openAi], scriptOf: () => longStream(400), parts: budget.parts });
    const stream = new RecordingStream();
    const handle = world.open("StreamComplete").streamComplete(streamRequest(), stream);
    await world.playOut();
    const [exchange] = world.upstream.exchanges;
    expect(exchange).toMatchObject({ isPaused: true, isAborted: false });
    handle.resume(); // The reader has taken what came, and nothing more is paid for.
    expect(exchange?.isPaused).toBe(true);
    expect(stream.ends).toEqual([]);
    await budget.answer(undefined);
    expect(exchange?.isPaused).toBe(false);
    for (let rounds = 0; rounds < 50 && stream.ends.length === 0; rounds++) {
      await world.playOut();
      await budget.answer(undefined);
    }
    expect(stream.ends).toEqual(["ok"]);
    expect(world.leaks).toEqual([]);
  });

  it("ends with why, and with what it has cost, when there is no more", async () => {
    const budget = new SlowBudget();
    const world = new World({ providers: [openAi], scriptOf: () => longStream(400), parts: budget.parts });
    const stream = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest(), stream);
    for (let rounds = 0; rounds < 5 && stream.ends.length === 0; rounds++) {
      await world.playOut();
      await budget.answer(exhausted);
    }
    expect(stream.ends).toEqual([expect.objectContaining({ reason: ErrorReason.BUDGET_EXHAUSTED })]);
    const [event] = world.finals;
    expect(event?.outcome).toBe(Outcome.INTERRUPTED);
    expect(event?.attempts.map(({ outcome }) => outcome)).toEqual([AttemptOutcome.CANCELLED]);
    expect(budget.settledAt).toBe(event?.cost?.totalNanoUsd);
    expect(budget.settledAt).toBeLessThanOrEqual(budget.reserved);
    expect(world.upstream.exchanges[0]?.isAborted).toBe(true);
    expect(world.leaks).toEqual([]);
  });

  it("whose caller goes meanwhile leaves nothing behind", async () => {
    const budget = new SlowBudget();
    const world = new World({ providers: [openAi], scriptOf: () => longStream(400), parts: budget.parts });
    const stream = new RecordingStream();
    const handle = world.open("StreamComplete").streamComplete(streamRequest(), stream);
    await world.playOut();
    handle.cancel();
    await budget.answer(undefined);
    expect(world.finals[0]?.outcome).toBe(Outcome.CANCELLED);
    expect(world.leaks).toEqual([]);
  });
});

describe("a second attempt", () => {
  const cutOff = [{ kind: "start", status: 200 }, { kind: "end" }] as const;

  it("is not begun when both together would cost more than there is", async () => {
    const budget = new SlowBudget();
    const answer = wholeScript(openAiWire.whole({ text: ["Well."] }));
    const world = new World({
      providers: [openAi, openAi],
      scriptOf: (exchange) =>
        exchange === 0
          ? longStream(40)
              .slice(0, 30)
              .concat([{ kind: "end" }])
          : answer,
      parts: budget.parts,
    });
    const stream = new RecordingStream();
    world.open("StreamComplete").streamComplete(streamRequest(RecoveryMode.RESTART), stream);
    await world.playOut();
    expect(budget.asked).toHaveLength(1);
    expect(world.upstream.exchanges).toHaveLength(1);
    await budget.answer(exhausted);
    expect(stream.ends).toEqual([expect.objectContaining({ reason: ErrorReason.BUDGET_EXHAUSTED })]);
    expect(world.leaks).toEqual([]);
  });

  it("is begun without a question after one that cost nothing", async () => {
    const budget = new SlowBudget();
    const answer = wholeScript(openAiWire.whole({ text: ["Well."] }));
    const world = new World({
      providers: [openAi, openAi],
      scriptOf: (exchange) => (exchange === 0 ? cutOff : answer),
      parts: budget.parts,
    });
    const heard = new RecordingAnswer();
    world.open("Complete").complete(request(), heard);
    await world.playOut();
    expect(budget.asked).toEqual([]);
    expect(world.finals[0]?.outcome).toBe(Outcome.SUCCEEDED);
    expect(world.leaks).toEqual([]);
  });

  it("counts from when it is granted, and not at all when it is not begun", async () => {
    const asked: bigint[] = [];
    const extend = (total: bigint): Promise<undefined> => {
      asked.push(total);
      return Promise.resolve(undefined);
    };
    const reservation = { reservedNanoUsd: 10n, cancel() {}, settle() {} };
    const clock = { nowMs: () => 0, monotonicMs: () => 0 };
    const spending = new CallSpending(reservation, extend, { cost: undefined } as CallAccount, clock);
    const first = spending.share(() => 10n);
    expect(spending.mayBegin(first)).toBeUndefined();
    const running = spending.begin(first, { record: { outcome: AttemptOutcome.UNSPECIFIED } } as OpenAttempt);
    // The first one asks for more in the very instant in which the second is granted.
    await Promise.all([spending.mayBegin(spending.share(() => 7n)), running.cover(12n)]);
    expect(asked).toEqual([17n, 19n]);
    const third = spending.share(() => 5n);
    const late = spending.mayBegin(third);
    spending.withdraw(third);
    await late;
    expect(running.covered).toBe(24n - 7n);
  });
});
