import type { Config } from "../../config/config.ts";
import type { LedgerLog, UsageLedger } from "../../ledger/ledger.ts";
import type { Publisher } from "../../ledger/publisher/publisher.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import { toNatsAccess } from "./to-nats-access.ts";

/** `undefined`: the config names no NATS, and events stay in the journal. Does not wait for a connection. */
export async function openPublisher(
  config: Config,
  ledger: UsageLedger,
  instance: string,
  log: LedgerLog,
  secrets: CredentialParts,
): Promise<Publisher | undefined> {
  const { nats } = config.usage;
  if (nats === undefined) return undefined;
  const { Publisher: Opened } = await import("../../ledger/publisher/publisher.ts");
  return new Opened(ledger.outbox, {
    access: await toNatsAccess(nats, secrets),
    stream: nats.stream,
    subjectPrefix: nats.subjectPrefix,
    format: nats.format,
    instance,
    log,
  });
}
