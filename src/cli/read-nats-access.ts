import type { NatsConfig } from "../config/config.ts";
import type { NatsAccess } from "../ledger/publisher/connect-nats.ts";
import { createTextFetcher } from "../upstream/fetch-text.ts";
import type { CommandIo } from "./command-io.ts";
import { toNatsAccess } from "./compose/to-nats-access.ts";

/** What a command connects to NATS with. Rejects when a secret of the config cannot be had. */
export async function readNatsAccess(nats: NatsConfig, io: CommandIo): Promise<NatsAccess> {
  const { fetchText, close } = createTextFetcher();
  try {
    return await toNatsAccess(nats, { nowMs: io.nowMs, env: io.environment, fetchText });
  } finally {
    await close();
  }
}
