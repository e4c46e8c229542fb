import { cpuMicros } from "./cpu-of-process.ts";
import { type LoadOptions, type LoadTarget, runLoad } from "./load.ts";

export type Measured = {
  readonly microsPerCall: number;
  readonly microsPerChunk: number;
  readonly callsPerSecond: number;
  readonly calls: number;
  readonly failures: number;
};

/** One round of load, and the CPU time that the measured process spent on it. */
export async function measure(pid: number, target: LoadTarget, options: LoadOptions): Promise<Measured> {
  const before = cpuMicros(pid);
  const result = await runLoad(target, options);
  const spent = cpuMicros(pid) - before;
  return {
    microsPerCall: spent / result.calls,
    microsPerChunk: result.chunks === 0 ? Number.NaN : spent / result.chunks,
    callsPerSecond: result.calls / result.seconds,
    calls: result.calls,
    failures: result.failures,
  };
}

/** Open loop: a call every `1000 / rate` ms, whatever became of the others; latencies in milliseconds. */
export async function measureLatency(
  target: LoadTarget,
  ratePerSecond: number,
  seconds: number,
): Promise<readonly number[]> {
  const latencies: number[] = [];
  const waiting: Promise<void>[] = [];
  const startedMs = performance.now();
  const calls = Math.round(ratePerSecond * seconds);
  for (let index = 0; index < calls; index++) {
    const dueMs = startedMs + (index * 1_000) / ratePerSecond;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    const beganMs = performance.now();
    waiting.push(
      target.call(index % 1).then((result) => {
        if (result.ok) latencies.push(performance.now() - beganMs);
      }),
    );
  }
  await Promise.all(waiting);
  return latencies;
}
