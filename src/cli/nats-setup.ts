import type { UsageConfig } from "../config/config.ts";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import { setUpStream } from "../ledger/nats-setup.ts";
import { explainNatsError } from "../ledger/publisher/explain-nats-error.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import { Progress } from "./progress.ts";
import { readNatsAccess } from "./read-nats-access.ts";

export type NatsSetupOptions = {
  readonly config: string;
  readonly replicas?: 1 | 3 | 5 | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxAgeMs?: number | undefined;
  readonly duplicateWindowMs?: number | undefined;
  readonly consumer?: string | undefined;
};

/** `llm-gateway nats setup`: makes or updates the stream that the config names, and the consumer that bills from it. */
export async function natsSetup(options: NatsSetupOptions, known: LoadOptions, io: CommandIo): Promise<void> {
  const config = await loadConfig(options.config, known);
  const { nats } = config.usage;
  if (nats === undefined)
    throw new CommandError(`${options.config}: usage.nats is missing, so there is no stream to make`);
  const progress = new Progress(io);
  progress.show(`asking ${nats.servers.join(", ")} …`);
  const report = await setUp(nats, options, io).finally(() => progress.done());
  io.out(`NATS server ${report.serverVersion}\n`);
  io.out(`stream ${report.stream.name}: ${report.stream.done}\n`);
  io.out(`consumer ${report.consumer.name}: ${report.consumer.done}\n`);
}

async function setUp(nats: NonNullable<UsageConfig["nats"]>, options: NatsSetupOptions, io: CommandIo) {
  const access = await readNatsAccess(nats, io);
  try {
    return await setUpStream({
      access,
      stream: nats.stream,
      subjectPrefix: nats.subjectPrefix,
      replicas: options.replicas,
      maxBytes: options.maxBytes,
      maxAgeMs: options.maxAgeMs,
      duplicateWindowMs: options.duplicateWindowMs,
      consumer: options.consumer,
    });
  } catch (cause) {
    // Its errors are one line each, and say what the server answered.
    throw new CommandError(cause instanceof Error ? `NATS: ${explainNatsError(cause)}` : "NATS refused", { cause });
  }
}
