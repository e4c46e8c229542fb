import { join } from "node:path";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import { republish } from "../ledger/republish.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import { Progress } from "./progress.ts";
import { readNatsAccess } from "./read-nats-access.ts";

export type UsageReplayOptions = {
  readonly config: string;
  /** Milliseconds before now. */
  readonly sinceMs: number;
};

/**
 * `llm-gateway usage replay`: puts the events of the journal into the stream again. Runs beside the gateway; a segment that
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
    const { events, duplicates } = await republish({
      folder: join(config.dataDir, "journal"),
      access,
      stream: nats.stream,
      subjectPrefix: nats.subjectPrefix,
      format: nats.format,
      sinceMs: io.nowMs() - options.sinceMs,
      onProgress: (count) => progress.show(`${count} events replayed …`),
    });
    progress.done();
    io.out(`${events} events replayed, of which the stream still had ${duplicates}\n`);
  } catch (cause) {
    throw new CommandError(`replay: ${cause instanceof Error ? cause.message : "failed"}`, { cause });
  } finally {
    progress.done();
  }
}
