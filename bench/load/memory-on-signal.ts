// Loaded into the gateway of a bench with `--import`: on SIGUSR2 it collects garbage and writes what is left, as JSON, to the
// file that BENCH_MEMORY_FILE names; with BENCH_SNAPSHOT also a heap snapshot beside it. Needs `--expose-gc`.
import { renameSync, writeFileSync } from "node:fs";
import { writeHeapSnapshot } from "node:v8";

const file = process.env["BENCH_MEMORY_FILE"];

process.on("SIGUSR2", () => {
  if (file === undefined) return;
  for (let round = 0; round < 3; round += 1) globalThis.gc?.();
  if (process.env["BENCH_SNAPSHOT"] !== undefined) writeHeapSnapshot(`${file}.heapsnapshot`);
  writeFileSync(`${file}.draft`, JSON.stringify(process.memoryUsage()));
  renameSync(`${file}.draft`, file);
});
