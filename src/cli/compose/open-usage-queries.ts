import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Config } from "../../config/config.ts";
import { type UsageFilter, UsageFilterSchema } from "../../contract.ts";
import type { Caller } from "../../domain/principal.ts";
import type { UsageLedger } from "../../ledger/ledger.ts";
import { UsageReader } from "../../ledger/usage-index/usage-reader.ts";
import type { UsageScope } from "../../ledger/usage-index/usage-scope.ts";
import type { UsageQueries } from "../../server/services.ts";
import type { SharedParts } from "./shared-parts.ts";

export type OpenUsageQueries = {
  readonly queries: UsageQueries;
  readonly reader: UsageReader;
  close(): Promise<void>;
};

export function openUsageQueries(
  config: Config,
  ledger: UsageLedger,
  shared: SharedParts["usage"] | undefined,
): OpenUsageQueries {
  const reader = new UsageReader(ledger, {
    path: join(config.dataDir, "usage-index.sqlite"),
    siblings: shared?.siblings,
  });
  shared?.onAsk((question) => reader.ask(question));
  return {
    queries: {
      query: (caller, request, signal) =>
        reader.query(scopeOf(caller), { ...request, filter: filterOf(caller, request.filter) }, signal),
      list: (caller, request, signal) =>
        reader.list(scopeOf(caller), { ...request, filter: filterOf(caller, request.filter) }, signal),
      watch: (caller, request, signal) =>
        reader.watch(scopeOf(caller), { ...request, filter: filterOf(caller, request.filter) }, signal),
    },
    reader,
    close: () => reader.close(),
  };
}

function scopeOf(caller: Caller): UsageScope {
  if (caller.roles.includes("platform")) return { kind: "everything" };
  return { kind: "project", projectId: caller.projectId };
}

/** A caller without a role for usage sees its own key alone; a caller without a key, nothing. */
function filterOf(caller: Caller, filter: UsageFilter | undefined): UsageFilter {
  const asked = filter ?? create(UsageFilterSchema);
  const mayReadProject = ["usage", "admin", "platform"].some((role) => caller.roles.some((own) => own === role));
  if (mayReadProject) return asked;
  const own = caller.keyId === "" ? noKey : caller.keyId;
  const isOwn = asked.keyIds.length === 0 || asked.keyIds.includes(own);
  return { ...asked, keyIds: [isOwn ? own : noKey] };
}

/** No key has this id: ids have no line feed. */
const noKey = "\n";
