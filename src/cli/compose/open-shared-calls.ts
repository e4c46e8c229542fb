import type { Config } from "../../config/config.ts";
import { connectNats } from "../../ledger/publisher/connect-nats.ts";
import type { ClusteredCalls } from "../../state/calls/clustered-calls.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import { toNatsAccess } from "./to-nats-access.ts";

/** Calls that replicas share; `undefined` without a cluster: request ids and cursors are then this process's alone. */
export async function openSharedCalls(
  { cluster, replay }: Config,
  instance: string,
  { logger }: Log,
  secrets: CredentialParts,
): Promise<ClusteredCalls | undefined> {
  if (cluster === undefined) return undefined;
  const { createClusteredCalls } = await import("../../state/calls/clustered-calls.ts");
  const access = await toNatsAccess(cluster.nats, secrets);
  const calls = createClusteredCalls({
    connect: async () => (await connectNats(access, `${instance} calls`)).connection,
    onStateFailure: replay.onStateFailure,
    rememberMs: replay.rememberMs,
    outcomeBytesMax: replay.answerBytesMax,
    outcomesBytesMax: replay.sharedBytesMax,
    onLost: (error) =>
      logger.warn(
        { reason: error instanceof Error ? error.message : String(error) },
        lostMessages[replay.onStateFailure],
      ),
  });
  await calls.tried; // So that the first calls are not taken for calls without NATS.
  return calls;
}

const lostMessages = {
  local: "NATS cannot be asked for calls: a request id is known to one replica alone",
  closed: "NATS cannot be asked for calls: those with a request id are refused",
} as const;
