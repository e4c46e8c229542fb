import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { auditFileNames } from "./audit-files.ts";
import { type ChainEnd, chainBegin, checkAuditLine } from "./audit-record.ts";

export type AuditVerdict =
  | {
      readonly kind: "whole";
      readonly files: number;
      readonly records: number;
      /** Sequence of the first record; above 1: older files have been taken away. */
      readonly firstSequence: number;
      /** What to compare with a copy elsewhere: records cut off at the end leave no other trace. */
      readonly end: ChainEnd;
    }
  | { readonly kind: "broken"; readonly file: string; readonly line: number; readonly because: string };

/** Reads every record of a folder and checks that none was changed, taken out or put in. */
export async function verifyAudit(folder: string): Promise<AuditVerdict> {
  const names = auditFileNames(folder);
  let end: ChainEnd | undefined;
  let records = 0;
  let firstSequence = 0;
  for (const name of names) {
    let line = 0;
    for await (const text of createInterface({ input: createReadStream(join(folder, name)), crlfDelay: 0 })) {
      line++;
      const check = checkAuditLine(text, end);
      if (check.kind === "bad") return { kind: "broken", file: name, line, because: check.because };
      if (records === 0) firstSequence = check.end.sequence;
      records++;
      end = check.end;
    }
  }
  return { kind: "whole", files: names.length, records, firstSequence, end: end ?? chainBegin };
}
