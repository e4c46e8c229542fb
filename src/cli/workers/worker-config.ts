import { join } from "node:path";
import type { Config } from "../../config/config.ts";
import { limits } from "../../config/defaults.ts";

/** Folder of a worker's journal, usage index and audit log. */
export function workerFolder(dataDir: string, worker: number): string {
  return join(dataDir, `worker-${worker}`);
}

/**
 * The part of one of `count` workers: a folder of its own, and its share of what a process keeps to by itself, so that all
 * together keep to what the file says. What is counted over all workers (limits, budgets, connections of callers) stays.
 */
export function toWorkerConfig(config: Config, worker: number, count: number): Config {
  const share = (whole: number): number => Math.max(1, Math.floor(whole / count));
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
