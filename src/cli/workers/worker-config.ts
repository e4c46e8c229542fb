import { join } from "node:path";
import type { Config } from "../../config/config.ts";
import { limits } from "../../config/defaults.ts";

/** Folder of a worker's journal, usage index and audit log. */
export function workerFolder(dataDir: string, worker: number): string {
  return join(dataDir, `worker-${worker}`);
}

/**
 * The part of one of `count` workers: a folder of its own, and its share of what a process keeps to by itself, so that all
 * together keep to what the file says, but for `sharesBelowOne`. What is counted over all workers (limits, budgets, connections of callers) stays.
 */
export function toWorkerConfig(config: Config, worker: number, count: number): Config {
  const share = (whole: number): number => shareOf(whole, worker, count);
  const { journal } = config.usage;
  return {
    ...config,
    dataDir: workerFolder(config.dataDir, worker),
    providers: config.providers.map((provider) => ({ ...provider, maxConnections: share(provider.maxConnections) })),
    models: config.models.map((model) => ({
      ...model,
      targets: model.targets.map((target) =>
        target.maxConcurrentRequests === undefined
          ? target
          : { ...target, maxConcurrentRequests: share(target.maxConcurrentRequests) },
      ),
    })),
    usage: {
      ...config.usage,
      journal: { ...journal, maxBytes: Math.max(limits.journalBytesMin, Math.floor(journal.maxBytes / count)) },
    },
  };
}

/** The first workers have what does not divide. A worker with nothing could not serve: it has one in any case. */
function shareOf(whole: number, worker: number, count: number): number {
  return Math.max(1, Math.floor(whole / count) + (worker <= whole % count ? 1 : 0));
}

/** A number of the file that is too small to be divided. */
export type ShareBelowOne = { readonly setting: string; readonly configured: number; readonly together: number };

/** What `count` workers exceed together, since each has one at least, or the smallest journal. */
export function sharesBelowOne(config: Config, count: number): readonly ShareBelowOne[] {
  const settings = [
    ...config.providers.map(
      ({ settings: { id }, maxConnections }) => [`providers ${id}: max_connections`, maxConnections] as const,
    ),
    ...config.models.flatMap(({ id, targets }) =>
      targets.map(
        (target) =>
          [`models ${id}: max_concurrent_requests of ${target.id}`, target.maxConcurrentRequests ?? count] as const,
      ),
    ),
  ];
  const small = settings.filter(([, whole]) => whole < count);
  const found = small.map(([setting, configured]) => ({ setting, configured, together: count }));
  const { maxBytes } = config.usage.journal;
  const bytes = limits.journalBytesMin * count;
  return bytes <= maxBytes
    ? found
    : [...found, { setting: "usage.journal.max_bytes", configured: maxBytes, together: bytes }];
}
