import type { NatsConfig, SecretReference } from "../../config/config.ts";
import type { NatsAccess } from "../../ledger/publisher/connect-nats.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import { createSecretSource } from "../../upstream/credentials/secret-source.ts";

/** The config's references resolved. Rejects when a secret cannot be had. */
export async function toNatsAccess(nats: NatsConfig, secrets: CredentialParts): Promise<NatsAccess> {
  const read = async (reference: SecretReference | undefined): Promise<string | undefined> =>
    reference === undefined ? undefined : createSecretSource(reference, secrets).get();
  return {
    servers: nats.servers,
    credentials: await read(nats.credentials),
    nkeySeed: await read(nats.nkey),
    tls: nats.tls,
    inboxPrefix: nats.inboxPrefix,
  };
}
