// A stream under a budget that others spend too, in pieces of any size: what it has generated is always paid for, it goes
// on while there is money, and waits without reading while the budget is asked.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ErrorReason, UsageSchema } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { StreamSpending } from "./stream-spending.ts";

const charactersPerToken = 4;
const exhausted = new CallFailure(ErrorReason.BUDGET_EXHAUSTED, "nothing is left");

/** A budget of whole tokens at `price`, of which the stream has `covered` and the rest is there for who asks. */
class Budget {
  covered: bigint;
  free: bigint;
  readonly #answers: (() => void)[] = [];

  constructor(covered: number, free: number, price: number) {
    this.covered = BigInt(covered) * BigInt(price);
    this.free = BigInt(free) * BigInt(price);
  }

  cover(most: bigint): Promise<CallFailure | undefined> {
    return new Promise((resolve) => {
      this.#answers.push(() => resolve(this.#take(most - this.covered)));
    });
  }

  /** The store answers whoever waits. */
  async answer(): Promise<void> {
    for (const answer of this.#answers.splice(0)) answer();
    await new Promise((resolve) => setImmediate(resolve));
  }

  get isAsked(): boolean {
    return this.#answers.length > 0;
  }

  #take(more: bigint): CallFailure | undefined {
    if (more > this.free) return exhausted;
    if (more > 0n) {
      this.covered += more;
      this.free -= more;
    }
    return undefined;
  }
}

/** A stream as `StreamSpending` sees it. */
class Stream {
  characters = 0;
  reported = 0;
  ended: Error | undefined;
  resume = (): void => {};
  readonly spending: StreamSpending;

  constructor(budget: Budget, price: number, outputTokensMost?: number) {
    this.spending = new StreamSpending(budget, {
      usage: () => create(UsageSchema, { outputTokens: Math.max(this.reported, this.tokens) }),
      costOf: ({ outputTokens = 0 }) => BigInt(outputTokens) * BigInt(price),
      outputTokensMost,
      resume: () => this.resume(),
      end: (reason) => {
        this.ended = reason;
      },
      nowMs: () => this.reported * 1_000, // Each count of the provider is looked at.
    });
  }

  get tokens(): number {
    return Math.ceil(this.characters / charactersPerToken);
  }
}

/** As the stream attempt reads: event by event, then the piece is over. */
function read(stream: Stream, tokens: number): void {
  for (let token = 0; token < tokens; token += 4) {
    stream.characters += Math.min(4, tokens - token) * charactersPerToken;
    if (stream.characters >= stream.spending.lookAt) stream.spending.look(stream.characters);
  }
  stream.spending.pieceRead(stream.characters);
}

type Piece = { readonly tokens: number; readonly answers: boolean; readonly freed: number };

const script: fc.Arbitrary<readonly Piece[]> = fc.array(
  fc.record({
    /** Of a piece: no larger than the margin, which three of them fill. */
    tokens: fc.integer({ min: 1, max: 21 }),
    answers: fc.boolean(),
    /** Others give back or take. */
    freed: fc.integer({ min: -200, max: 200 }),
  }),
  { minLength: 20, maxLength: 400, size: "max" },
);

async function play(pieces: readonly Piece[], budget: Budget, stream: Stream, price: number): Promise<void> {
  for (const { tokens, answers, freed } of pieces) {
    if (stream.ended !== undefined) return;
    if (!stream.spending.isWaiting) read(stream, tokens);
    expect(BigInt(stream.tokens * price) <= budget.covered).toBe(true);
    const change = BigInt(freed * price);
    if (budget.free + change >= 0n) budget.free += change;
    if (answers || stream.spending.isWaiting) await budget.answer();
  }
}

describe("a stream under a budget", () => {
  it("is never ahead of what is paid for, and ends only when nothing is left for it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 90, max: 3_000 }),
        fc.integer({ min: 0, max: 4_000 }),
        fc.constantFrom(1, 7, 1_600),
        script,
        async (covered, free, price, pieces) => {
          const budget = new Budget(covered, free, price);
          const stream = new Stream(budget, price);
          await play(pieces, budget, stream, price);
          if (stream.ended === undefined) return;
          expect(stream.ended).toBe(exhausted);
          expect(Number(budget.covered) / price - stream.tokens).toBeLessThanOrEqual(64);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("asks for more before it must wait, so that it need not", async () => {
    const budget = new Budget(4_096, 1_000_000, 3);
    const stream = new Stream(budget, 3);
    for (let piece = 0; piece < 2_000; piece++) {
      read(stream, 20);
      expect(stream.spending.isWaiting).toBe(false);
      if (budget.isAsked && piece % 8 === 0) await budget.answer();
    }
    expect(stream.ended).toBeUndefined();
  });

  it("asks for nothing when the provider ends it before what is reserved is used up", () => {
    const budget = new Budget(1_000, 1_000_000, 3);
    const stream = new Stream(budget, 3, 1_000);
    for (let piece = 0; piece < 50; piece++) read(stream, 20);
    expect(budget.isAsked).toBe(false);
    expect(stream.spending.isWaiting).toBe(false);
  });

  it("pays for reasoning that nobody sees, as far as the provider counts it", async () => {
    const budget = new Budget(2_000, 0, 3);
    const stream = new Stream(budget, 3);
    for (; stream.ended === undefined && stream.reported < 2_000; stream.reported += 20) {
      stream.spending.pieceRead(stream.characters);
      await budget.answer();
    }
    expect(stream.ended).toBe(exhausted);
    expect(stream.reported).toBeLessThan(2_000);
  });

  it("without a price goes on", () => {
    const budget = new Budget(1, 0, 0);
    const stream = new Stream(budget, 0);
    for (let piece = 0; piece < 500; piece++) read(stream, 20);
    expect(budget.isAsked).toBe(false);
    expect(stream.ended).toBeUndefined();
  });

  it("ends, and nothing else does, when reading cannot go on for a fault", async () => {
    const budget = new Budget(100, 10_000, 1);
    const stream = new Stream(budget, 1);
    stream.resume = () => {
      throw new Error("a fault");
    };
    while (!stream.spending.isWaiting) read(stream, 16);
    await budget.answer();
    expect(stream.ended?.message).toBe("a fault");
  });
});
