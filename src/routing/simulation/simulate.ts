// Hours of calls in seconds: the real router against virtual targets, in virtual time.
import type { Strategy } from "../../config/config.ts";
import { Meter, type Price } from "../../contract.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { Itinerary, RouteStep } from "../itinerary.ts";
import { createRouter, type RoutingDesk } from "../router.ts";
import { modelConfig, queryOf, requestOf, targetConfig, targetOf } from "../routing-fixture.ts";
import { EventQueue } from "./event-queue.ts";
import { seededRandom } from "./seeded-random.ts";
import { type Answer, costNanoUsd, type VirtualCall, VirtualServer, type VirtualTarget } from "./virtual-target.ts";

export type Scenario = {
  readonly targets: readonly VirtualTarget[];
  readonly durationMs: number;
  readonly callsPerSecond: number;
  /** Time that each caller gives. */
  readonly timeoutMs: number;
  readonly maxAttempts: number;
  readonly seed: number;
};

export type Policy = {
  readonly strategy: Strategy;
  /** As in the config: `undefined` no hedging, 0 after the p95. */
  readonly hedgeDelayMs?: number | undefined;
};

export type Outcome = {
  readonly calls: number;
  readonly succeeded: number;
  readonly attempts: number;
  readonly attemptsMaxOfCall: number;
  /** Of attempts that served or were cancelled for the winner, for each call that succeeded. */
  readonly meanCostNanoUsd: number;
  readonly meanLatencyMs: number;
  readonly latencyMsP50: number;
  readonly latencyMsP99: number;
};

export function simulate(scenario: Scenario, policy: Policy): Outcome {
  const world = new World(scenario, policy);
  for (const { atMs, call } of callsOf(scenario)) world.queue.after(atMs, () => world.begin(call));
  world.queue.drain();
  return world.outcome();
}

/** Calls of a scenario with their times: Poisson arrivals, sizes from small to large. The same for every policy. */
export function callsOf({
  durationMs,
  callsPerSecond,
  seed,
}: Scenario): readonly { atMs: number; call: VirtualCall }[] {
  const random = seededRandom(seed);
  const calls: { atMs: number; call: VirtualCall }[] = [];
  for (let atMs = 0; atMs < durationMs; atMs += (-Math.log(1 - random()) * 1_000) / callsPerSecond) {
    const inputTokens = Math.round(100 + 3_900 * random() ** 3);
    const outputTokens = Math.round(20 + 780 * random() ** 2);
    calls.push({ atMs, call: { number: calls.length, inputTokens, outputTokens } });
  }
  return calls;
}

/** One call under way. */
type Course = {
  readonly call: VirtualCall;
  readonly itinerary: Itinerary;
  readonly startMs: number;
  readonly deadlineMs: number;
  readonly running: Map<AttemptStep, VirtualServer>;
  attempts: number;
  spentNanoUsd: number;
  isOver: boolean;
};

type AttemptStep = Extract<RouteStep, { kind: "attempt" }>;

class World {
  readonly queue = new EventQueue(0);
  readonly #scenario: Scenario;
  readonly #router: RoutingDesk;
  readonly #servers: ReadonlyMap<string, VirtualServer>;
  readonly #latenciesMs: number[] = [];
  #calls = 0;
  #attempts = 0;
  #attemptsMaxOfCall = 0;
  #spentNanoUsd = 0;

  constructor(scenario: Scenario, { strategy, hedgeDelayMs }: Policy) {
    this.#scenario = scenario;
    this.#servers = new Map(scenario.targets.map((target) => [target.id, new VirtualServer(target, 0)]));
    const retry = { maxAttempts: scenario.maxAttempts, hedgeDelayMs };
    const targets = scenario.targets.map(({ id }) => targetConfig(id));
    this.#router = createRouter({
      models: [modelConfig("chat", targets, { strategy, retry })],
      targetOf,
      random: seededRandom(scenario.seed + 1),
      prices: { prices: ({ providerId }) => pricesOf(this.#servers.get(providerId)?.target) },
    });
  }

  begin(call: VirtualCall): void {
    const startMs = this.queue.nowMs;
    const deadlineMs = startMs + this.#scenario.timeoutMs;
    const query = queryOf(requestOf("chat"), {
      nowMs: startMs,
      deadlineMs,
      inputTokens: call.inputTokens,
      streaming: true,
    });
    this.#calls += 1;
    const itinerary = this.#router.begin(query);
    const course = {
      call,
      itinerary,
      startMs,
      deadlineMs,
      running: new Map(),
      attempts: 0,
      spentNanoUsd: 0,
      isOver: false,
    };
    this.queue.after(this.#scenario.timeoutMs, () => this.#end(course));
    this.#goOn(course);
  }

  outcome(): Outcome {
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    const succeeded = sorted.length;
    return {
      calls: this.#calls,
      succeeded,
      attempts: this.#attempts,
      attemptsMaxOfCall: this.#attemptsMaxOfCall,
      meanCostNanoUsd: this.#spentNanoUsd / Math.max(1, succeeded),
      meanLatencyMs: sorted.reduce((sum, latencyMs) => sum + latencyMs, 0) / Math.max(1, succeeded),
      latencyMsP50: sorted[Math.floor(succeeded * 0.5)] ?? 0,
      latencyMsP99: sorted[Math.floor(succeeded * 0.99)] ?? 0,
    };
  }

  #goOn(course: Course): void {
    const step = course.itinerary.next(this.queue.nowMs);
    if (step.kind === "attempt") this.queue.after(step.afterMs, () => this.#attempt(course, step));
    else if (course.running.size === 0) this.#end(course);
  }

  #attempt(course: Course, step: AttemptStep): void {
    const server = this.#servers.get(step.planned.target.providerId);
    if (course.isOver || server === undefined) return;
    const { nowMs } = this.queue;
    course.attempts += 1;
    this.#attempts += 1;
    this.#attemptsMaxOfCall = Math.max(this.#attemptsMaxOfCall, course.attempts);
    course.itinerary.started(step.planned, nowMs);
    course.running.set(step, server);
    const answer = server.answer(course.call, course.attempts, nowMs);
    const endsAfterMs = answer.kind === "served" ? answer.durationMs : answer.afterMs;
    this.queue.after(endsAfterMs, () => this.#answered(course, step, server, answer));
    const firstWordMs = answer.kind === "served" ? answer.firstTokenMs : answer.afterMs;
    if (step.hedgeAfterMs !== undefined && firstWordMs > step.hedgeAfterMs) {
      this.queue.after(step.hedgeAfterMs, () => {
        if (!course.isOver && course.running.has(step)) this.#goOn(course);
      });
    }
  }

  #answered(course: Course, step: AttemptStep, server: VirtualServer, answer: Answer): void {
    if (course.isOver) return;
    const { nowMs } = this.queue;
    const { planned } = step;
    course.running.delete(step);
    course.itinerary.observed(planned, answer.headers, nowMs);
    if (answer.kind === "failed") {
      const { failure, retryAfterMs } = answer;
      course.itinerary.failed(planned, new ProviderFailure(failure, "virtual", { retryAfterMs }), nowMs);
      if (course.running.size === 0) this.#goOn(course);
      return;
    }
    const { durationMs, firstTokenMs } = answer;
    const { outputTokens } = course.call;
    course.itinerary.succeeded(planned, { durationMs, timeToFirstTokenMs: firstTokenMs, outputTokens }, nowMs);
    this.#spentNanoUsd += costNanoUsd(server.target, course.call) + course.spentNanoUsd;
    this.#latenciesMs.push(nowMs - course.startMs);
    this.#end(course);
  }

  /** Whatever still runs is cancelled; its input is paid all the same. */
  #end(course: Course): void {
    if (course.isOver) return;
    course.isOver = true;
    for (const [step, server] of course.running) {
      course.itinerary.cancelled(step.planned, this.queue.nowMs);
      this.#spentNanoUsd += course.call.inputTokens * server.target.nanoUsdPerInputToken;
    }
  }
}

function pricesOf(target: VirtualTarget | undefined): { readonly prices: readonly Price[] } | undefined {
  if (target === undefined) return undefined;
  return {
    prices: [
      priceOf(Meter.INPUT_TOKENS, target.nanoUsdPerInputToken),
      priceOf(Meter.OUTPUT_TOKENS, target.nanoUsdPerOutputToken),
    ],
  };
}

function priceOf(meter: Meter, nanoUsdPerToken: number): Price {
  return {
    $typeName: "llmgateway.v1.Price",
    meter,
    nanoUsdPerMillion: BigInt(Math.round(nanoUsdPerToken * 1_000_000)),
    serviceTier: "",
    tool: "",
  };
}
