import type { SlotStore } from "../../policy/limits/slot-quota.ts";
import type { WorkerChannel } from "./worker-channel.ts";

export type RemoteSlots = SlotStore & {
  /** Gives up the idle slots of an account, and tells how many. */
  readonly recalled: (key: string) => number;
};

/** Calls in flight are counted by the primary process, which sees a worker die. */
export function createRemoteSlots(channel: WorkerChannel): RemoteSlots {
  const recalls = new Map<string, () => number>();
  return {
    take: (key, limit, need) => channel.ask("slots", { key, limit, need }),
    giveBack: (key, count) => channel.tell("slotsReturned", { key, count }),
    onRecall: (key, recall) => void recalls.set(key, recall),
    offRecall: (key) => void recalls.delete(key),
    recalled: (key) => recalls.get(key)?.() ?? 0,
  };
}
