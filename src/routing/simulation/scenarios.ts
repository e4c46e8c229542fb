import type { Scenario } from "./simulate.ts";
import type { Fault, VirtualTarget } from "./virtual-target.ts";

const minuteMs = 60_000;

/** Three targets: a fast and dear one first, a middle one, a slow and cheap one. */
const threeTargets: readonly VirtualTarget[] = [
  {
    id: "fast",
    firstTokenMs: 250,
    outputTokensPerSecond: 150,
    nanoUsdPerInputToken: 2_500,
    nanoUsdPerOutputToken: 10_000,
    faults: [],
  },
  {
    id: "middle",
    firstTokenMs: 400,
    outputTokensPerSecond: 90,
    nanoUsdPerInputToken: 800,
    nanoUsdPerOutputToken: 4_000,
    faults: [],
  },
  {
    id: "cheap",
    firstTokenMs: 700,
    outputTokensPerSecond: 60,
    nanoUsdPerInputToken: 150,
    nanoUsdPerOutputToken: 600,
    faults: [],
  },
];

/** Each fault lasts from the tenth to the fortieth minute of every hour. */
function faultsOf(kind: Fault["kind"], durationMs: number): readonly Fault[] {
  const faults: Fault[] = [];
  for (let hourMs = 0; hourMs < durationMs; hourMs += 60 * minuteMs) {
    faults.push({ kind, fromMs: hourMs + 10 * minuteMs, toMs: hourMs + 40 * minuteMs });
  }
  return faults;
}

export type Weather = "calm" | Fault["kind"] | "rate-limited";

export const weathers: readonly Weather[] = ["calm", "dead", "slow", "cutting", "rate-limited"];

/** `afflicted`: which of the three targets the weather hits. */
export function scenarioOf(weather: Weather, afflicted: number, durationMs: number, callsPerSecond: number): Scenario {
  const targets = threeTargets.map((target, index): VirtualTarget => {
    if (weather === "calm" || index !== afflicted) return target;
    // A third of what all the calls together would ask of it.
    if (weather === "rate-limited") return { ...target, requestsPerMinute: Math.max(1, callsPerSecond * 20) };
    return { ...target, faults: faultsOf(weather, durationMs) };
  });
  return { targets, durationMs, callsPerSecond, timeoutMs: 60_000, maxAttempts: 3, seed: 20_261_124 };
}

export const targetNames: readonly string[] = threeTargets.map(({ id }) => id);
