// The files of the audit log: "audit-<sequence of the first record>.jsonl", so that their names sort as their records do.
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { type ChainEnd, chainBegin, checkAuditLine } from "./audit-record.ts";

const namePattern = /^audit-\d{12}\.jsonl$/;
const lineFeed = 0x0a;

/** Oldest first; none when the folder is not there. */
export function auditFileNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => namePattern.test(name))
      .sort();
  } catch {
    return []; // Not there: nothing was ever recorded.
  }
}

export function toAuditFileName(firstSequence: number): string {
  return `audit-${String(firstSequence).padStart(12, "0")}.jsonl`;
}

/**
 * Where the chain of a folder stands. A last line without its end was never acknowledged: it is cut off. Throws when the
 * last whole line is no record: a new one could not follow it.
 */
export function recoverChainEnd(folder: string): ChainEnd {
  for (const name of [...auditFileNames(folder)].reverse()) {
    const path = join(folder, name);
    const bytes = readFileSync(path);
    const wholeLength = bytes.lastIndexOf(lineFeed) + 1;
    if (wholeLength < bytes.length) truncateSync(path, wholeLength);
    if (wholeLength === 0) continue;
    const begin = bytes.lastIndexOf(lineFeed, wholeLength - 2) + 1;
    const check = checkAuditLine(bytes.toString("utf8", begin, wholeLength - 1), undefined);
    if (check.kind === "good") return check.end;
    throw new Error(`the last record of the audit log ${check.because}; move the folder away to begin a new log`);
  }
  return chainBegin;
}
