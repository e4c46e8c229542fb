// Opens a connection to NATS. The client is imported when it is first needed: a gateway without NATS never loads it.
import type { NatsConnection } from "@nats-io/transport-node";
import { natsTls } from "./nats-tls.ts";

export type NatsAccess = {
  /** e.g. ["nats://127.0.0.1:4222"], or "tls://…". */
  readonly servers: readonly string[];
  /** Text of a `.creds` file. */
  readonly credentials?: string | undefined;
  /** Seed of an nkey, "SU…". */
  readonly nkeySeed?: string | undefined;
  readonly tls?:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
      }
    | undefined;
  /** Prefix of the reply subjects, which the user's permissions must allow. Default "_INBOX". */
  readonly inboxPrefix?: string | undefined;
};

export type NatsModule = typeof import("@nats-io/transport-node");
export type OpenConnection = { readonly connection: NatsConnection; readonly nats: NatsModule };

const reconnectTimeMs = 250;
const reconnectJitterMs = 250;
const connectTimeoutMs = 5_000;
/** A dead peer that sends no reset is noticed after twice this time. */
const pingIntervalMs = 5_000;

/** Connects once; rejects when no server answers. A connection that was made reconnects for ever. */
export async function connectNats(access: NatsAccess, name: string): Promise<OpenConnection> {
  const nats = await import("@nats-io/transport-node");
  const encoder = new TextEncoder();
  const authenticators = [
    // The client reads no last line without its end, which a secret has lost.
    ...(access.credentials === undefined ? [] : [nats.credsAuthenticator(encoder.encode(`${access.credentials}\n`))]),
    ...(access.nkeySeed === undefined ? [] : [nats.nkeyAuthenticator(encoder.encode(access.nkeySeed.trim()))]),
  ];
  const tls = natsTls(access);
  const connection = await nats.connect({
    servers: [...access.servers],
    name,
    timeout: connectTimeoutMs,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectTimeMs,
    reconnectJitter: reconnectJitterMs,
    reconnectJitterTLS: reconnectJitterMs,
    ignoreAuthErrorAbort: true,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    ...(authenticators.length === 0 ? {} : { authenticator: authenticators }),
    ...(tls === undefined ? {} : { tls }),
    ...(access.inboxPrefix === undefined ? {} : { inboxPrefix: access.inboxPrefix }),
  });
  return { connection, nats };
}
