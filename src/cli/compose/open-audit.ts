import { join } from "node:path";
import { AuditLog } from "../../admin/audit/audit-log.ts";
import type { Config } from "../../config/config.ts";
import type { Clock } from "../../pipeline/ports.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { Notices } from "./open-notices.ts";

/** The audit log of `<dataDir>/audit`, told as events too when there is NATS. Throws when it cannot be continued. */
export function openAudit(config: Config, clock: Clock, log: Log, notices: Notices): AuditLog {
  return new AuditLog({
    folder: join(config.dataDir, "audit"),
    nowMs: clock.nowMs,
    onRecord: (kind, line) => notices.publish(`audit.v1.${kind}`, line),
    onFailure: (error) => {
      const cause = error instanceof Error ? error.message : String(error);
      log.logger.error({ cause }, "the audit log cannot be written; trying again");
    },
  });
}
