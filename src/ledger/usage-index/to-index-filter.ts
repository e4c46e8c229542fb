import type { UsageFilter } from "../../contract.ts";
import { outcomeWord } from "../event-words.ts";
import type { IndexFilter } from "./index-query.ts";
import type { UsageScope } from "./usage-scope.ts";

/** What a request asks for, within what its caller may see. */
export function toIndexFilter(scope: UsageScope, filter: UsageFilter | undefined): IndexFilter {
  return {
    scope,
    fromMs: filter?.startTime === undefined ? undefined : ceilingMs(filter.startTime),
    toMs: filter?.endTime === undefined ? undefined : ceilingMs(filter.endTime),
    projects: filter?.projectIds ?? [],
    keys: filter?.keyIds ?? [],
    models: filter?.models ?? [],
    providers: filter?.providers ?? [],
    outcomes: (filter?.outcomes ?? []).map(outcomeWord),
    labels: Object.entries(filter?.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)),
    workflowRun: filter?.workflowRunId ?? "",
  };
}

/** Events are kept to the millisecond: a bound within one begins behind it. */
function ceilingMs(time: { readonly seconds: bigint; readonly nanos: number }): number {
  return Number(time.seconds) * 1000 + Math.ceil(time.nanos / 1_000_000);
}
