// Accounts in a file of the data folder, for a gateway on one machine: of one process, or of several that ask the one that
// has the file open. A restart takes back what the last life of the only process had leased and cannot have spent; where that
// is not known, all that was leased and not reported counts as spent. A clean stop gives it back before.
import { randomUUID } from "node:crypto";
import { closeSync, fdatasync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { LeaseExchange, LeaseGrant, LeaseStore } from "../domain/lease-store.ts";
import {
  type AccountRecord,
  closeLeases,
  emptyAccount,
  exchangeLease,
  formatAccount,
  parseAccount,
  reclaimLease,
} from "./account-record.ts";
import { type EarlierLife, openAllowanceLog, readMachineBootId } from "./allowance-log.ts";

export type EmbeddedLeaseStoreOptions = {
  readonly dataDir: string;
  /** Default: the machine's own. */
  readonly machineBootId?: string | undefined;
};

/** One life of one process, as the accounts know it. */
export interface LeaseHolder {
  /** As in `LeaseStore`. */
  exchange(exchange: LeaseExchange): Promise<LeaseGrant>;
  /** The life is over: what it had leased and not given back counts as spent, since nobody knows better. */
  end(): void;
}

export interface EmbeddedAccounts {
  /** `holder`: names the life; default: a random id. */
  join(holder?: string): LeaseHolder;
  /** Settles what a life of before had leased. */
  reclaim(life: EarlierLife): void;
  /** As in `LeaseStore`. */
  used(key: string): Promise<bigint>;
  close(): Promise<void>;
}

/** A commit goes into the log, and is made durable by us, off the main thread: see `commit`. */
const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS account (key TEXT PRIMARY KEY, record TEXT NOT NULL, ends_at_ms REAL NOT NULL) WITHOUT ROWID;
`;

const limits = { groupMax: 200 } as const;

/** Ended accounts are kept for so long, for questions about past periods. */
const keptAfterEndMs = 400 * 86_400_000;

/** The accounts for the only process that uses them; see `openEmbeddedAccounts`. */
export function openEmbeddedLeaseStore(options: EmbeddedLeaseStoreOptions, nowMs: number): LeaseStore {
  const accounts = openEmbeddedAccounts(options, nowMs);
  const holder = randomUUID();
  const allowances = openAllowanceLog({
    dataDir: options.dataDir,
    holder,
    nowMs: () => Date.now(),
    machineBootId: options.machineBootId ?? readMachineBootId(),
  });
  for (const life of allowances.earlier) accounts.reclaim(life);
  const { exchange } = accounts.join(holder);
  return {
    exchange,
    used: accounts.used,
    allow: (account, leaseId, total) => allowances.allow({ account, leaseId, total }),
    drop: ({ key }) => allowances.drop(key),
    close: async () => {
      await accounts.close();
      allowances.close();
    },
  };
}

/**
 * Opens `<dataDir>/state.sqlite`. The file is locked for this process: a second gateway on the same folder would spend
 * the same money twice, so opening fails then. `nowMs`: for forgetting ended accounts.
 */
export function openEmbeddedAccounts(options: EmbeddedLeaseStoreOptions, nowMs: number): EmbeddedAccounts {
  mkdirSync(options.dataDir, { recursive: true });
  const path = join(options.dataDir, "state.sqlite");
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE");
    database.exec(schema);
    database.exec("BEGIN EXCLUSIVE; COMMIT"); // Takes the lock now rather than with the first write.
  } catch (error) {
    database.close();
    throw new Error("the state in the data folder cannot be opened; is another gateway using it?", { cause: error });
  }
  database.prepare("DELETE FROM account WHERE ends_at_ms < ?").run(nowMs - keptAfterEndMs);

  const waiting: Waiting[] = [];
  let log: number | undefined;
  /** Groups whose commit is on its way to the disk. */
  const syncing = new Set<Promise<void>>();
  /** Every other holder is an earlier life, or one that has ended. */
  const alive = new Set<string>();
  const isDead = (holder: string): boolean => !alive.has(holder);
  const readRow = database.prepare("SELECT record FROM account WHERE key = ?");
  const writeRow = database.prepare("INSERT OR REPLACE INTO account (key, record, ends_at_ms) VALUES (?, ?, ?)");

  function read(key: string): AccountRecord {
    const text = readRow.get(key)?.["record"];
    return typeof text === "string" ? parseAccount(text) : emptyAccount;
  }

  function exchangeNow({ holder, exchange }: Waiting): LeaseGrant {
    const before = closeLeases(read(exchange.account.key), isDead);
    const { record, grant } = exchangeLease(before, holder, randomUUID(), exchange);
    writeRow.run(exchange.account.key, formatAccount(record), exchange.account.endsAtMs);
    return grant;
  }

  /**
   * All that came in one turn of the event loop in one transaction. A grant is told when it is durable; the sync of the disk
   * that it takes is not SQLite's own, which would stop every call for some milliseconds.
   */
  function commit(): void {
    const group = waiting.splice(0, limits.groupMax);
    if (waiting.length > 0) setImmediate(commit);
    if (group.length === 0) return; // Their holder has ended.
    try {
      database.exec("BEGIN IMMEDIATE");
      const grants = group.map(exchangeNow);
      database.exec("COMMIT");
      const told = syncLog().then(
        () => tell(group, grants),
        // What was granted counts as leased and nobody has it, so that less is spent than could be.
        (error: unknown) => refuse(group, error),
      );
      syncing.add(told);
      void told.then(() => syncing.delete(told));
    } catch (error) {
      if (database.isOpen && database.isTransaction) database.exec("ROLLBACK");
      refuse(group, error);
    }
  }

  /** SQLite keeps one log as long as the database is open. */
  function syncLog(): Promise<void> {
    log ??= openSync(`${path}-wal`, "r+");
    const descriptor = log;
    return new Promise((resolve, reject) => {
      fdatasync(descriptor, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  return {
    reclaim({ holder, allowances, forget }) {
      database.exec("BEGIN IMMEDIATE");
      for (const { account, leaseId, total } of allowances) {
        const before = read(account.key);
        const record = reclaimLease(before, holder, leaseId, total);
        if (record !== before) writeRow.run(account.key, formatAccount(record), account.endsAtMs);
      }
      database.exec("COMMIT");
      forget();
    },
    join(holder = randomUUID()) {
      alive.add(holder);
      return {
        exchange: (exchange) =>
          new Promise((resolve, reject) => {
            waiting.push({ holder, exchange, resolve, reject });
            if (waiting.length === 1) setImmediate(commit);
          }),
        end() {
          alive.delete(holder);
          const late = waiting.filter((one) => one.holder === holder);
          for (const one of late) {
            waiting.splice(waiting.indexOf(one), 1);
            one.reject(new Error("the holder of the lease has ended"));
          }
        },
      };
    },
    async used(key) {
      return closeLeases(read(key), isDead).used;
    },
    async close() {
      while (waiting.length > 0) commit();
      await Promise.all(syncing);
      if (log !== undefined) closeSync(log);
      database.close();
    },
  };
}

type Waiting = {
  readonly holder: string;
  readonly exchange: LeaseExchange;
  readonly resolve: (grant: LeaseGrant) => void;
  readonly reject: (error: unknown) => void;
};

function tell(group: readonly Waiting[], grants: readonly LeaseGrant[]): void {
  for (const [index, { resolve }] of group.entries()) {
    const grant = grants[index];
    if (grant !== undefined) resolve(grant);
  }
}

function refuse(group: readonly Waiting[], error: unknown): void {
  for (const { reject } of group) reject(error);
}
