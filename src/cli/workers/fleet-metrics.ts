import type { Log } from "../../telemetry/logger.ts";
import { MergedMetrics } from "../../telemetry/merge-metrics.ts";
import { readProcessFigures } from "../../telemetry/process-figures.ts";
import type { ConnectionDesk } from "./connection-desk.ts";
import type { Fleet } from "./fleet.ts";
import { formatFleetPage } from "./fleet-page.ts";
import type { RetiredJournal } from "./retired-journals.ts";

export type FleetMetricsParts = {
  readonly fleet: Fleet;
  readonly desk: ConnectionDesk;
  readonly log: Log;
  readonly retired: readonly RetiredJournal[];
  readonly count: number;
};

/** A worker that is too busy for its page is shown as it was at the last scrape. */
const answerMsMax = 2_000;

/** One page of all processes, gathered when it is asked for. */
export class FleetMetrics {
  readonly #parts: FleetMetricsParts;
  readonly #merged = new MergedMetrics();

  constructor(parts: FleetMetricsParts) {
    this.#parts = parts;
  }

  async page(): Promise<string> {
    const { fleet, desk, log, retired, count } = this.#parts;
    const lives = [...fleet.lives].filter(({ worker }) => fleet.serving(worker) !== undefined);
    await Promise.all(
      lives.map(async (life) => {
        const text = await life.channel.ask("metrics", undefined, answerMsMax).catch(() => undefined);
        const isAlive = fleet.serving(life.worker) === life;
        if (text !== undefined && isAlive) this.#merged.update(String(life.worker), text);
      }),
    );
    this.#merged.update(
      "primary",
      formatFleetPage({
        workers: count,
        ready: fleet.ready,
        restarts: fleet.restarts,
        connections: desk.connections,
        droppedLines: log.dropped,
        process: readProcessFigures(),
        retired,
      }),
    );
    return this.#merged.format();
  }

  /** The worker has died; what it had counted stays. */
  ended(worker: number): void {
    this.#merged.end(String(worker));
  }
}
