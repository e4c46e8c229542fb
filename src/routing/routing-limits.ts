/** Every bound of the deciding code. Durations in milliseconds. */
export type RoutingLimits = {
  /** Most attempts of one call, whatever the config says. */
  readonly attemptsMax: number;
  /** An attempt that would have less time than this is not started. */
  readonly attemptMsMin: number;
  /** Longest wait for a target that cools down or backs off; past it the call fails with RetryInfo instead. */
  readonly waitMsMax: number;
  /** A call that waits for a free place at a target looks this often, on average. */
  readonly busyLookMs: number;
  /** Added at random to a wait for a cooldown, so that the waiting calls do not all come back at once. */
  readonly waitJitterMsMax: number;
  /** Wait told to the caller when no provider named one. */
  readonly retryAfterMsDefault: number;

  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  /** A provider's wait up to this is a brief failure: the same target is asked again before another model is. */
  readonly briefWaitMsMax: number;

  /** Failures in a row that open the circuit. */
  readonly circuitFailures: number;
  /** Share of failures, from 0 to 1, that opens the circuit once `circuitSamplesMin` recent answers were seen. */
  readonly circuitFailureRatio: number;
  readonly circuitSamplesMin: number;
  /** First open time; doubles each time that a probe fails. */
  readonly circuitOpenMs: number;
  readonly circuitOpenMsMax: number;
  /** First open time after a refused key or an empty account: nothing heals by itself within seconds. */
  readonly circuitOpenMsLong: number;
  readonly circuitOpenMsLongMax: number;
  /** A probe that said nothing for so long no longer blocks the next one. */
  readonly probeLeaseMs: number;

  /** First cooldown after a 429 without a wait; doubles with each further one in a row. */
  readonly cooldownMsDefault: number;
  /** Longest cooldown, also when the provider asks for more. */
  readonly cooldownMsMax: number;

  /** Retries at the same target that may come in one burst. */
  readonly retryTokensMax: number;
  readonly retryTokensPerSuccess: number;
  readonly retryTokensPerSecond: number;

  /** Half-life of everything remembered about speed and failures. */
  readonly healthHalfLifeMs: number;
  /** Share of calls that the latency and throughput strategies spend on finding out. */
  readonly explorationRatio: number;
  /** Answers that must be known before p95 starts a hedge. */
  readonly hedgeSamplesMin: number;
  /** Expected output when neither the request nor the past of the target tells. */
  readonly outputTokensDefault: number;
  /** Estimates of input tokens may be too high by this factor: past it a known context window excludes for good. */
  readonly inputEstimateSlack: number;

  /** Conversations remembered for cache-aware ordering, and for how long. */
  readonly affinityEntriesMax: number;
  readonly affinityMs: number;
};

export const routingLimits: RoutingLimits = {
  attemptsMax: 16,
  attemptMsMin: 10,
  waitMsMax: 5_000,
  busyLookMs: 50,
  waitJitterMsMax: 100,
  retryAfterMsDefault: 1_000,

  backoffMsMin: 50,
  backoffMsMax: 2_000,
  briefWaitMsMax: 250,

  circuitFailures: 5,
  circuitFailureRatio: 0.5,
  circuitSamplesMin: 20,
  circuitOpenMs: 10_000,
  circuitOpenMsMax: 120_000,
  circuitOpenMsLong: 60_000,
  circuitOpenMsLongMax: 600_000,
  probeLeaseMs: 30_000,

  cooldownMsDefault: 1_000,
  cooldownMsMax: 600_000,

  retryTokensMax: 10,
  retryTokensPerSuccess: 0.1,
  retryTokensPerSecond: 1,

  healthHalfLifeMs: 30_000,
  explorationRatio: 0.05,
  hedgeSamplesMin: 20,
  outputTokensDefault: 500,
  inputEstimateSlack: 1.25,

  affinityEntriesMax: 10_000,
  affinityMs: 300_000,
};
