// The columns of a block, by name.
import { type Metric, metrics } from "./index-query.ts";

/** Names of an event that are asked for or filtered by. */
export const nameSources = [
  "project",
  "key",
  "team",
  "organisation",
  "model",
  "provider",
  "operation",
  "outcome",
  "end_user",
  "workflow_run",
] as const;
export type NameSource = (typeof nameSources)[number];
export type LabelSource = `label:${string}`;
/** A column whose values are numbers of names. */
export type NamedSource = NameSource | LabelSource;
export type Source = NamedSource | "time" | "place" | Metric;

/** Columns that every block has; those of labels come when an event has one. */
export const fixedSources = [...nameSources, "time", "place", ...metrics] as const satisfies readonly Source[];

export function labelSource(key: string): LabelSource {
  return `label:${key}`;
}
