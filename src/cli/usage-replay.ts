import { type LoadOptions, loadConfig } from "../config/load.ts";
import { type Republished, republish } from "../ledger/republish.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import { Progress } from "./progress.ts";
import { readNatsAccess } from "./read-nats-access.ts";
import { journalsIn } from "./workers/find-retired.ts";

export type UsageReplayOptions = {
  readonly config: string;
  /** Milliseconds before now. */
  readonly sinceMs: number;
};

/**
 * `llm-gateway usage replay`: puts the events of the journal, or of those of all workers, into the stream again. Runs beside the gateway; a segment that
 * the gateway has deleted is gone from here, too.
 */
export async function usageReplay(options: UsageReplayOptions, known: LoadOptions, io: CommandIo): Promise<void> {
  const config = await loadConfig(options.config, known);
  const { nats } = config.usage;
  if (nats === undefined) {
    throw new CommandError(`${options.config}: usage.nats is missing, so there is no stream to replay to`);
  }
  const access = await readNatsAccess(nats, io);
  const progress = new Progress(io);
  try {
    const sinceMs = io.nowMs() - options.sinceMs;
    let done: Republished = { events: 0, duplicates: 0 };
    for (const folder of journalsIn(config.dataDir)) {
      const { events, duplicates } = await republish({
        folder,
        access,
        stream: nats.stream,
        subjectPrefix: nats.subjectPrefix,
        format: nats.format,
        sinceMs,
        onProgress: (count) => progress.show(`${done.events + count} events replayed …`),
      });
      done = { events: done.events + events, duplicates: done.duplicates + duplicates };
    }
    progress.done();
    io.out(`${done.events} events replayed, of which the stream still had ${done.duplicates}\n`);
  } catch (cause) {
    throw new CommandError(`replay: ${cause instanceof Error ? cause.message : "failed"}`, { cause });
  } finally {
    progress.done();
  }
}
