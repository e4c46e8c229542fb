// What this life of the instance may have spent of its leases, at most, in a file of the data folder: when it is killed,
// the next life gives the rest back instead of leaving it counted as spent. Written before it is spent, in steps, without
// waiting for the disk: a process that is killed leaves its writes to the kernel, and after the machine has gone down the
// file is not believed.
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Account } from "../domain/lease-store.ts";

export type Allowance = {
  readonly account: Pick<Account, "key" | "endsAtMs" | "isShort">;
  readonly leaseId: string;
  /** Running total of the holder that it may have come to. */
  readonly total: bigint;
};

/** A life that has ended, however. */
export type EarlierLife = {
  readonly holder: string;
  readonly allowances: readonly Allowance[];
  /** Its leases are settled: nothing more is to be done for it. */
  forget(): void;
};

export type AllowanceLog = {
  readonly earlier: readonly EarlierLife[];
  /** On record when it returns, unless the file cannot be written: then this life leaves none. */
  allow(allowance: Allowance): void;
  /** Nothing of the account is leased any more. */
  drop(accountKey: string): void;
  close(): void;
};

export type AllowanceLogOptions = {
  readonly dataDir: string;
  readonly holder: string;
  readonly nowMs: () => number;
  /** Names the time since the machine was started; `undefined`: not known, and no file of before is believed. */
  readonly machineBootId?: string | undefined;
};

/** Ended accounts may have calls in flight for a while. */
const keptAfterEndMs = 3_600_000;
/** The file is written anew, without what is outdated, when it has grown to this and to four times what is needed. */
const rewriteBytes = 1 << 20;
/** Lives that wait to be settled while the store cannot be reached; of further ones the leases stay counted as spent. */
const livesMax = 16;

const suffix = ".jsonl";

export function openAllowanceLog(options: AllowanceLogOptions): AllowanceLog {
  const folder = join(options.dataDir, "leases");
  mkdirSync(folder, { recursive: true });
  const earlier = readEarlier(folder, options.machineBootId);
  const path = join(folder, `${options.holder}${suffix}`);
  const header = `${JSON.stringify({ holder: options.holder, machineBootId: options.machineBootId ?? "" })}\n`;
  const current = new Map<string, Allowance>();
  let isBroken = false;
  let file: number | undefined;
  let bytes = 0;
  let neededBytes = 0;

  /** A life without a record is safe: its leases count as spent. One with a record that lacks something is not. */
  function guarded(write: () => void): void {
    if (isBroken) return;
    try {
      write();
    } catch {
      isBroken = true;
      if (file !== undefined) closeSync(file);
      file = undefined;
      rmSync(path, { force: true });
    }
  }

  function append(text: string): void {
    file ??= openSync(path, "a", 0o600);
    if (bytes === 0) bytes += writeSync(file, header);
    const written = writeSync(file, text);
    if (written !== Buffer.byteLength(text)) throw new Error("the disk is full");
    bytes += written;
    if (bytes > rewriteBytes && bytes > neededBytes * 4) rewrite();
  }

  function rewrite(): void {
    for (const [key, { account }] of current) {
      if (account.endsAtMs + keptAfterEndMs < options.nowMs()) current.delete(key);
    }
    const text = header + [...current.values()].map(toLine).join("");
    const next = `${path}.next`;
    const nextFile = openSync(next, "w", 0o600);
    try {
      if (writeSync(nextFile, text) !== Buffer.byteLength(text)) throw new Error("the disk is full");
      renameSync(next, path);
    } catch (error) {
      closeSync(nextFile);
      rmSync(next, { force: true });
      throw error;
    }
    if (file !== undefined) closeSync(file);
    file = nextFile;
    bytes = Buffer.byteLength(text);
    neededBytes = bytes;
  }

  return {
    earlier,
    allow(allowance) {
      current.set(allowance.account.key, allowance);
      guarded(() => append(toLine(allowance)));
    },
    drop(accountKey) {
      current.delete(accountKey);
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
      isBroken = true;
    },
  };
}

/** Changes when the machine is started, and only then; `undefined` where the system does not tell. */
export function readMachineBootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return undefined; // Not Linux.
  }
}

/** An amount as decimal text, as in accounts; a period without an end as null. */
function toLine({ account, leaseId, total }: Allowance): string {
  const { key, endsAtMs, isShort } = account;
  return `${JSON.stringify([key, leaseId, `${total}`, Number.isFinite(endsAtMs) ? endsAtMs : null, isShort])}\n`;
}

function readEarlier(folder: string, machineBootId: string | undefined): readonly EarlierLife[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(suffix));
  const lives = names.flatMap((name) => {
    const path = join(folder, name);
    const life = readLife(path, machineBootId);
    if (life === undefined) rmSync(path, { force: true });
    return life ?? [];
  });
  for (const life of lives.slice(livesMax)) life.forget();
  return lives.slice(0, livesMax);
}

function readLife(path: string, machineBootId: string | undefined): EarlierLife | undefined {
  // What stands behind the last line break was being written when the process ended: it was not spent yet.
  const [first = "", ...lines] = readFileSync(path, "utf8").split("\n").slice(0, -1);
  try {
    const header: unknown = JSON.parse(first);
    if (typeof header !== "object" || header === null || !("holder" in header) || !("machineBootId" in header)) return;
    const { holder } = header;
    if (typeof holder !== "string" || machineBootId === undefined || header.machineBootId !== machineBootId) return;
    const byKey = new Map<string, Allowance>();
    for (const line of lines) {
      const allowance = parseLine(line);
      byKey.set(allowance.account.key, allowance);
    }
    return { holder, allowances: [...byKey.values()], forget: () => rmSync(path, { force: true }) };
  } catch {
    return undefined; // A file that cannot be read says nothing: its leases count as spent.
  }
}

function parseLine(line: string): Allowance {
  const row: unknown = JSON.parse(line);
  if (!Array.isArray(row)) throw new Error("not an allowance");
  const [key, leaseId, total, endsAtMs, isShort]: readonly unknown[] = row;
  const isAmount = typeof total === "string" && /^\d{1,30}$/.test(total);
  if (typeof key !== "string" || typeof leaseId !== "string" || !isAmount) throw new Error("not an allowance");
  const end = typeof endsAtMs === "number" ? endsAtMs : Number.POSITIVE_INFINITY;
  return { account: { key, endsAtMs: end, isShort: isShort === true }, leaseId, total: BigInt(total) };
}
