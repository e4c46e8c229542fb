import { performance } from "node:perf_hooks";

/** What the process itself uses, under the names that dashboards for Node and Prometheus know. */
export type ProcessFigures = {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  /** Share of time since the start that the event loop was busy, 0 to 1. */
  readonly eventLoopUtilization: number;
  /** Unix seconds. */
  readonly startedAtSeconds: number;
};

export function readProcessFigures(): ProcessFigures {
  const cpu = process.cpuUsage();
  const memory = process.memoryUsage();
  return {
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    residentBytes: memory.rss,
    heapUsedBytes: memory.heapUsed,
    heapTotalBytes: memory.heapTotal,
    eventLoopUtilization: performance.eventLoopUtilization().utilization,
    startedAtSeconds: Math.floor(performance.timeOrigin / 1000),
  };
}
