import { verifyAudit } from "../admin/audit/verify-audit.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";

/** `llm-gateway audit verify`: reads the whole log; fails at the first record that was changed, taken out or put in. */
export async function auditVerify(options: { readonly dir: string }, io: CommandIo): Promise<void> {
  const verdict = await verifyAudit(options.dir);
  if (verdict.kind === "broken") {
    throw new CommandError(`${verdict.file}, line ${verdict.line}: the record ${verdict.because}`);
  }
  const { records, files, firstSequence, end } = verdict;
  if (records === 0) throw new CommandError(`${options.dir} has no audit log`);
  const begin = firstSequence === 1 ? "" : `; records before ${firstSequence} have been taken away`;
  io.out(`${records} records in ${files} files, unbroken${begin}\nlast record: ${end.sequence} ${end.hash}\n`);
}
