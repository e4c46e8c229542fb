import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Two semi-spaces of 16 MiB: what 64 calls at once leave alive between two collections fits many times. */
const youngBytes = 32 << 20;
/** An array of so many numbers is 64 kB: copied as a whole, and small enough to be born in the young generation. */
const arrayLength = 8_000;
const arraysMax = 4_000;

/**
 * Keeps V8's young generation small, and has it collected by the one thread that has stopped for it. Left alone it grows
 * to 128 MiB with the garbage of loading modules and never shrinks, which costs memory and, on one core, cache misses; and
 * four threads that share a collection of a few milliseconds on one core cost more than they bring: together 14 % of the
 * CPU of a call (docs/decisions/0007). Node takes the size as a flag only, and the process is started as
 * `node src/main.ts`; so it is grown to the size by allocating, and then told not to grow any more, which V8 reads at each
 * collection. Costs some 50 ms at the start, of which loading modules would have cost a part.
 */
export function boundYoungGeneration(): void {
  setFlagsFromString("--no-parallel-scavenge");
  let kept: number[][] = [];
  while (kept.length < arraysMax && youngSize() < youngBytes) kept.push(new Array<number>(arrayLength).fill(0));
  kept = [];
  setFlagsFromString("--semi-space-growth-factor=1");
}

function youngSize(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}
