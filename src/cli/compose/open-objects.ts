import type { Config } from "../../config/config.ts";
import { connectNats } from "../../ledger/publisher/connect-nats.ts";
import type { ObjectStore } from "../../state/objects/object-store.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import type { SharedParts } from "./shared-parts.ts";
import { toNatsAccess } from "./to-nats-access.ts";

/** Keys, budgets and routes that are made while the gateway runs: in a file, or in NATS when the config names a cluster. */
export async function openObjects(
  config: Config,
  log: Log,
  secrets: CredentialParts,
  instance: string,
  shared: SharedParts | undefined,
): Promise<ObjectStore> {
  const { cluster } = config;
  if (cluster === undefined && shared !== undefined) return shared.objects;
  if (cluster === undefined) {
    const { openEmbeddedObjectStore } = await import("../../state/objects/embedded-object-store.ts");
    return openEmbeddedObjectStore({ dataDir: config.dataDir });
  }
  const { createClusteredObjectStore } = await import("../../state/objects/clustered-object-store.ts");
  const access = await toNatsAccess(cluster.nats, secrets);
  let isTold = false;
  return createClusteredObjectStore({
    connect: async () => (await connectNats(access, instance)).connection,
    onLost: (error) => {
      if (isTold) return;
      isTold = true;
      const cause = error instanceof Error ? error.message : String(error);
      log.logger.warn({ cause }, "stored keys, budgets and routes cannot be watched; trying again");
    },
  });
}
