// Where the consumer books usage: one row for each event, whatever the number of times that it is delivered. The primary
// key on the event id is what makes billing exactly-once; everything before it is at least once.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { UsageEvent } from "../../src/contract.ts";

export type Delivery = {
  /** `undefined`: the message could not be read; it is kept aside, so that nothing is lost. */
  readonly event: UsageEvent | undefined;
  readonly payload: Uint8Array;
};

export type Booked = { readonly booked: number; readonly duplicates: number; readonly unreadable: number };

const schema = `
  CREATE TABLE IF NOT EXISTS usage_event (
    event_id TEXT PRIMARY KEY, event_time_ms INTEGER NOT NULL, project_id TEXT NOT NULL, team_id TEXT NOT NULL,
    org_id TEXT NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, outcome INTEGER NOT NULL,
    input_tokens INTEGER, output_tokens INTEGER, cost_nano_usd INTEGER, corrects_event_id TEXT NOT NULL,
    gateway_instance TEXT NOT NULL, instance_boot_id TEXT NOT NULL, instance_sequence INTEGER NOT NULL, payload BLOB NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS unreadable (id INTEGER PRIMARY KEY, payload BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS usage_event_by_corrected ON usage_event (corrects_event_id) WHERE corrects_event_id <> '';
  DROP VIEW IF EXISTS billable;
  -- Whatever the order of arrival: what was corrected does not count, and of two corrections of one event, which a gateway
  -- makes only after its journal was set back to a copy, the newer one counts.
  CREATE VIEW billable AS SELECT * FROM usage_event AS one
    WHERE NOT EXISTS (SELECT 1 FROM usage_event AS correction
      WHERE correction.corrects_event_id = one.event_id AND correction.corrects_event_id <> '')
    AND NOT EXISTS (SELECT 1 FROM usage_event AS newer
      WHERE newer.corrects_event_id = one.corrects_event_id AND newer.corrects_event_id <> '' AND newer.event_id > one.event_id);
`;

export class BillingDatabase {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #keepAside: StatementSync;

  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    this.#database.exec(schema);
    this.#insert = this.#database.prepare(
      `INSERT INTO usage_event VALUES (${Array.from({ length: 17 }, () => "?").join(", ")}) ON CONFLICT (event_id) DO NOTHING`,
    );
    this.#keepAside = this.#database.prepare("INSERT INTO unreadable (payload) VALUES (?)");
  }

  /** One transaction: acknowledge the deliveries to NATS only after it returned. */
  book(deliveries: readonly Delivery[]): Booked {
    let booked = 0;
    let unreadable = 0;
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const { event, payload } of deliveries) {
        if (event === undefined) {
          this.#keepAside.run(payload);
          unreadable += 1;
        } else booked += Number(this.#insert.run(...rowOf(event), payload).changes);
      }
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
    return { booked, duplicates: deliveries.length - booked - unreadable, unreadable };
  }

  close(): void {
    this.#database.close();
  }
}

function rowOf(event: UsageEvent): (string | number | bigint | null)[] {
  const { projectId = "", teamId = "", orgId = "", keyId = "" } = event.principal ?? {};
  return [
    event.eventId,
    event.eventTime === undefined ? 0 : timestampMs(event.eventTime),
    projectId,
    teamId,
    orgId,
    keyId,
    event.model,
    event.provider,
    event.outcome,
    event.usage?.inputTokens ?? null, // Unknown is not zero.
    event.usage?.outputTokens ?? null,
    event.cost?.totalNanoUsd ?? null,
    event.correctsEventId,
    event.gatewayInstance,
    event.instanceBootId,
    event.instanceSequence,
  ];
}
