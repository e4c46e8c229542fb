// A question about usage as a test asks it, and the answer that adding up the events one by one gives.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  Outcome,
  UsageDimension,
  type UsageEvent,
  type UsageFilterSchema,
  UsageInterval,
  type UsageRow,
} from "../../../contract.ts";

export type Asked = {
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly projects: string[];
  readonly keys: string[];
  readonly models: string[];
  readonly outcomes: Outcome[];
  readonly task: string;
  readonly run: string;
  readonly groupBy: readonly UsageDimension[];
  readonly byLabels: readonly string[];
  readonly interval: UsageInterval;
};

export function filterOf(asked: Asked): MessageInitShape<typeof UsageFilterSchema> {
  return {
    ...(asked.from === undefined ? {} : { startTime: timestampFromMs(asked.from) }),
    ...(asked.to === undefined ? {} : { endTime: timestampFromMs(asked.to) }),
    projectIds: asked.projects,
    keyIds: asked.keys,
    models: asked.models,
    outcomes: asked.outcomes,
    labels: asked.task === "" ? {} : { task: asked.task },
    workflowRunId: asked.run,
  };
}

export function isAsked(event: UsageEvent, asked: Asked): boolean {
  const atMs = event.eventTime === undefined ? 0 : timestampMs(event.eventTime);
  const takes = <T>(list: readonly T[], value: T): boolean => list.length === 0 || list.includes(value);
  return [
    atMs >= (asked.from ?? -Infinity),
    atMs < (asked.to ?? Infinity),
    takes(asked.projects, event.principal?.projectId ?? ""),
    takes(asked.keys, event.principal?.keyId ?? ""),
    takes(asked.models, event.model),
    takes(asked.outcomes, event.outcome),
    asked.task === "" || event.labels["task"] === asked.task,
    asked.run === "" || event.workflowRunId === asked.run,
  ].every(Boolean);
}

export function keyOf(event: UsageEvent, atMs: number, asked: Asked): string {
  const dimensions = asked.groupBy.map((dimension) => {
    if (dimension === UsageDimension.PROJECT) return event.principal?.projectId;
    if (dimension === UsageDimension.END_USER) return event.principal?.endUserId;
    if (dimension === UsageDimension.MODEL) return event.model;
    return event.outcome === Outcome.LOST ? "lost" : "succeeded";
  });
  return JSON.stringify([bucketOf(atMs, asked), dimensions, asked.byLabels.map((name) => event.labels[name] ?? "")]);
}

export function rowKeyOf(row: UsageRow, asked: Asked): string {
  const names = new Map<UsageDimension, string>([
    [UsageDimension.PROJECT, "project"],
    [UsageDimension.END_USER, "end_user"],
    [UsageDimension.MODEL, "model"],
    [UsageDimension.OUTCOME, "outcome"],
  ]);
  const dimensions = asked.groupBy.map((dimension) => row.dimensions[names.get(dimension) ?? ""]);
  const bucket = row.bucketStartTime === undefined ? undefined : timestampMs(row.bucketStartTime);
  return JSON.stringify([bucket, dimensions, asked.byLabels.map((name) => row.labels[name])]);
}

function bucketOf(atMs: number, { interval, from }: Asked): number | undefined {
  const date = new Date(atMs);
  if (interval === UsageInterval.UNSPECIFIED) return from;
  if (interval === UsageInterval.MONTH) return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  if (interval === UsageInterval.DAY) return date.setUTCHours(0, 0, 0, 0);
  if (interval === UsageInterval.HOUR) return date.setUTCMinutes(0, 0, 0);
  return date.setUTCSeconds(0, 0);
}
