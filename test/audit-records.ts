// What a gateway process has put on record, read from its folder as an auditor would.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { GatewayProcess } from "./gateway-process.ts";

export type AuditRecord = {
  readonly kind: string;
  readonly reason?: string;
  readonly resource?: string;
  readonly caller?: { readonly project: string; readonly key: string; readonly service: string };
  readonly count?: number;
};

export function auditFolder({ folder }: Pick<GatewayProcess, "folder">): string {
  return join(folder, "data", "audit");
}

export function auditRecords(gateway: Pick<GatewayProcess, "folder">): readonly AuditRecord[] {
  const folder = auditFolder(gateway);
  return readdirSync(folder)
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1))
    .map((line) => JSON.parse(line) as AuditRecord);
}

const patienceMs = 10_000;

/** The first record that is like this, when it is there: denials are written behind the answer. */
export async function auditRecordLike(gateway: GatewayProcess, like: Partial<AuditRecord>): Promise<AuditRecord> {
  const isLike = (record: AuditRecord) =>
    Object.entries(like).every(
      ([name, value]) => JSON.stringify(record[name as keyof AuditRecord]) === JSON.stringify(value),
    );
  const untilMs = performance.now() + patienceMs;
  for (;;) {
    const found = auditRecords(gateway).find(isLike);
    if (found !== undefined) return found;
    if (performance.now() > untilMs) throw new Error(`no audit record is like ${JSON.stringify(like)}`);
    await wait(10);
  }
}
