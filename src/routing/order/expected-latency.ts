import type { TargetHealth } from "../target-health.ts";

/** Milliseconds until an answer of this length is whole: first token, then output speed. `undefined`: never seen. */
export function expectedLatencyMs(health: TargetHealth, outputTokens: number): number | undefined {
  const { timeToFirstTokenMs, outputTokensPerSecond } = health;
  if (timeToFirstTokenMs === undefined) return undefined;
  return (
    timeToFirstTokenMs + (outputTokensPerSecond === undefined ? 0 : (outputTokens * 1_000) / outputTokensPerSecond)
  );
}
