import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Two semi-spaces of 16 MiB: what 64 calls at once leave alive between two collections fits many times. */
const youngBytes = 32 << 20;
const objectsMax = 1_000_000;
const objectsAtOnce = 2_000;

/**
 * Keeps V8's young generation small, and has it collected by the one thread that has stopped for it. Left alone it grows
 * to 128 MiB with the garbage of loading modules, which costs memory and, on one core, cache misses; and
 * four threads that share a collection of a few milliseconds on one core cost more than they bring
 * (docs/decisions/0007). Node takes the size as a flag only, and the process is started without flags; so it is grown to
 * the size by allocating, by a factor that makes it one step, and then told not to grow any more. V8 reads the factor at
 * each collection.
 *
 * V8 makes it as small as 1 MiB when it collects in a quiet time: so its size is looked at after each collection, and when it
 * is too small it may grow again, to the same size, in steps of two.
 *
 * What is loaded at the start lives for ever, and from that V8 learns to make whatever comes from the same line of code in
 * the old generation, e.g. every decoded message: it is told not to learn that.
 *
 * Little grows old, then, and what is old may be collected when there is a third more of it: V8 would wait until it is four
 * times as much.
 */
export function boundYoungGeneration(): void {
  setFlagsFromString("--no-parallel-scavenge");
  setFlagsFromString("--no-allocation-site-pretenuring");
  setFlagsFromString("--heap-growing-percent=30");
  let kept: object[] = [];
  while (kept.length < objectsMax && !letGrow(youngBytes)) {
    for (let index = 0; index < objectsAtOnce; index++) kept.push({ index });
  }
  kept = [];
  new PerformanceObserver(() => letGrow()).observe({ entryTypes: ["gc"] });
}

/** True: it has its size, and grows no more. */
function letGrow(stepMax = 2): boolean {
  const bytes = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
  const missing = Math.ceil(youngBytes / Math.max(bytes, 1));
  setFlagsFromString(`--semi-space-growth-factor=${Math.max(1, Math.min(missing, stepMax))}`);
  return missing <= 1;
}
