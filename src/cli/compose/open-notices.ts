// Events that are told and not kept: audit records and budget alerts, as JSON on NATS. What must not be lost stands in the
// audit log; NATS keeps it too when a stream of the operator covers the subjects.
import type { NatsConnection } from "@nats-io/transport-node";
import type { Config } from "../../config/config.ts";
import { connectNats } from "../../ledger/publisher/connect-nats.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import { toNatsAccess } from "./to-nats-access.ts";

export interface Notices {
  /** `subject` without the prefix. Returns at once; while NATS is away the oldest are dropped. Never throws. */
  publish(subject: string, json: string): void;
  close(): Promise<void>;
}

const limits = { waitingMax: 1_000, reconnectMs: 2_000 } as const;

type Waiting = { readonly subject: string; readonly json: string };

export async function openNotices(
  config: Config,
  instance: string,
  log: Log,
  secrets: CredentialParts,
): Promise<Notices> {
  const { nats } = config.usage;
  if (nats === undefined) return { publish() {}, close: async () => {} };
  const access = await toNatsAccess(nats, secrets);
  const notices = new NatsNotices(
    nats.subjectPrefix,
    log,
    async () => (await connectNats(access, `${instance} notices`)).connection,
  );
  notices.connect();
  return notices;
}

class NatsNotices implements Notices {
  readonly #prefix: string;
  readonly #log: Log;
  readonly #open: () => Promise<NatsConnection>;
  readonly #waiting: Waiting[] = [];
  #connection: NatsConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasWarned = false;
  #isClosed = false;

  constructor(prefix: string, log: Log, open: () => Promise<NatsConnection>) {
    this.#prefix = prefix;
    this.#log = log;
    this.#open = open;
  }

  connect(): void {
    this.#open().then(
      (connection) => this.#connected(connection),
      () => this.#failed(),
    );
  }

  publish(subject: string, json: string): void {
    const message = { subject: `${this.#prefix}.${subject}`, json };
    if (this.#connection === undefined || this.#connection.isClosed()) {
      this.#waiting.push(message);
      if (this.#waiting.length > limits.waitingMax) this.#waiting.shift();
      return;
    }
    this.#send(this.#connection, message);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    // A drain waits for the server; without one there is nothing to wait for.
    await this.#connection?.drain().catch(() => this.#connection?.close());
  }

  #connected(connection: NatsConnection): void {
    if (this.#isClosed) {
      void connection.close(); // Nobody is left to hear of it.
      return;
    }
    this.#connection = connection;
    for (const message of this.#waiting.splice(0)) this.#send(connection, message);
  }

  #failed(): void {
    if (this.#isClosed) return;
    if (!this.#hasWarned) this.#log.logger.warn("NATS is away: audit records and budget alerts are not told there");
    this.#hasWarned = true;
    this.#timer = setTimeout(() => this.connect(), limits.reconnectMs);
    this.#timer.unref();
  }

  #send(connection: NatsConnection, { subject, json }: Waiting): void {
    try {
      connection.publish(subject, json);
    } catch {
      // The connection is closing: what must not be lost is in the audit log.
    }
  }
}
