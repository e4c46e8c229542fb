import type { ProcessFigures } from "../../telemetry/process-figures.ts";
import type { RetiredJournal } from "./retired-journals.ts";

export type FleetFigures = {
  readonly workers: number;
  readonly ready: number;
  readonly restarts: number;
  readonly connections: number;
  readonly droppedLines: number;
  readonly process: ProcessFigures;
  readonly retired: readonly RetiredJournal[];
};

/** The metrics of the primary process: of the workers as a whole, of journals without one, and its own. */
export function formatFleetPage(figures: FleetFigures): string {
  const ledgers = figures.retired.map(({ ledger }) => ledger.figures);
  const sum = (of: (ledger: (typeof ledgers)[number]) => number) => ledgers.reduce((total, one) => total + of(one), 0);
  const ready = figures.retired.every(({ publisher }) => publisher?.state.kind === "publishing") ? 1 : 0;
  const rows: readonly (readonly [string, "counter" | "gauge", string, number])[] = [
    ["llmgateway_workers", "gauge", "Worker processes that are wanted.", figures.workers],
    ["llmgateway_workers_ready", "gauge", "Worker processes that serve.", figures.ready],
    ["llmgateway_worker_restarts_total", "counter", "Workers started again after they died.", figures.restarts],
    ["llmgateway_connections", "gauge", "Open connections of callers.", figures.connections],
    ["llmgateway_log_lines_dropped_total", "counter", "Log lines that nobody read in time.", figures.droppedLines],
    ["llmgateway_journal_bytes", "gauge", "Size of the usage journal.", sum((one) => one.journalBytes)],
    ["llmgateway_outbox_depth", "gauge", "Events that NATS has not acknowledged.", sum((one) => one.outboxDepth)],
    [
      "llmgateway_outbox_oldest_unacked_seconds",
      "gauge",
      "Age of the oldest of them.",
      Math.max(0, ...ledgers.map((one) => one.oldestUnackedMs)) / 1_000,
    ],
    [
      "llmgateway_lost_calls_total",
      "counter",
      "Calls of earlier lives that were closed as lost.",
      sum((one) => one.lostEvents),
    ],
    ["process_cpu_seconds_total", "counter", "CPU time used, user and system.", figures.process.cpuSeconds],
    ["process_resident_memory_bytes", "gauge", "Resident memory.", figures.process.residentBytes],
    ["process_start_time_seconds", "gauge", "Unix time of the start.", figures.process.startedAtSeconds],
  ];
  const publisher =
    figures.retired.length === 0
      ? []
      : [["llmgateway_publisher_ready", "gauge", "1 while events reach NATS.", ready] as const];
  return [...rows, ...publisher]
    .map(([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`)
    .join("");
}
