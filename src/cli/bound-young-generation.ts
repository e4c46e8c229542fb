import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Two semi-spaces of 16 MiB: what 64 calls at once leave alive between two collections fits many times. */
const youngBytes = 32 << 20;
const objectsMax = 1_000_000;
const objectsAtOnce = 2_000;

/**
 * Keeps V8's young generation small, and has it collected by the one thread that has stopped for it. Left alone it grows
 * to 128 MiB with the garbage of loading modules and never shrinks, which costs memory and, on one core, cache misses; and
 * four threads that share a collection of a few milliseconds on one core cost more than they bring
 * (docs/decisions/0007). Node takes the size as a flag only, and the process is started without flags; so it is grown to
 * the size by allocating, by a factor that makes it one step, and then told not to grow any more. V8 reads the factor at
 * each collection.
 *
 * What is loaded at the start lives for ever, and from that V8 learns to make whatever comes from the same line of code in
 * the old generation, e.g. every decoded message: it is told not to learn that.
 */
export function boundYoungGeneration(): void {
  setFlagsFromString("--no-parallel-scavenge");
  setFlagsFromString("--no-allocation-site-pretenuring");
  let kept: object[] = [];
  let size = youngSize();
  while (kept.length < objectsMax && size < youngBytes) {
    setGrowthFactor(Math.ceil(youngBytes / Math.max(size, 1)));
    for (let index = 0; index < objectsAtOnce; index++) kept.push({ index });
    size = youngSize();
  }
  kept = [];
  setGrowthFactor(1);
}

function setGrowthFactor(factor: number): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

function youngSize(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}
