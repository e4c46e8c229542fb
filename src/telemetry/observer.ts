import type { CallObserver, CallRecord, Clock } from "../pipeline/ports.ts";
import { formatAccessLine } from "./access-line.ts";
import type { Log } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import type { TraceExporter } from "./otlp-traces.ts";
import type { ReportedCosts } from "./reported-costs.ts";

export type ObserverParts = {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Absent: no spans are exported. */
  readonly traces?: TraceExporter | undefined;
  /** Absent: what providers say of their costs is not compared. */
  readonly reportedCosts?: ReportedCosts | undefined;
  readonly clock: Pick<Clock, "nowMs">;
};

/** Tells log, metrics and traces of each call that is over. One that fails does not keep the others from hearing. */
export function createObserver({ log, metrics, traces, reportedCosts, clock }: ObserverParts): CallObserver {
  const hearers: readonly ((record: CallRecord) => void)[] = [
    (record) => metrics.record(record),
    ...(reportedCosts === undefined ? [] : [(record: CallRecord) => reportedCosts.record(record)]),
    ...(log.isInfoEnabled ? [(record: CallRecord) => log.writeLine(formatAccessLine(record, clock.nowMs()))] : []),
    ...(traces === undefined ? [] : [(record: CallRecord) => traces.record(record)]),
  ];
  return {
    finished(record) {
      for (const hear of hearers) {
        try {
          hear(record);
        } catch (error) {
          // The call is over and billed: a fault in telling of it is ours to repair, and not the caller's to feel.
          log.logger.error({ err: error }, "telemetry failed to record a call");
        }
      }
    },
  };
}
