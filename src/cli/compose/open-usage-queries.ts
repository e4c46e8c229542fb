import type { UsageQueries } from "../../server/services.ts";

export async function openUsageQueries(): Promise<{ queries: UsageQueries; close(): Promise<void> }> {
  const refuse = (): never => {
    throw new Error("not yet");
  };
  return { queries: { query: refuse, list: refuse, watch: refuse }, close: async () => {} };
}
