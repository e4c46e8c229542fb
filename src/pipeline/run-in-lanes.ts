import type { CallScope } from "./call-scope.ts";

/**
 * Does something for every item, in order and at most `lanesMax` at once, each lane in a scope of its own, since a scope
 * waits for one thing at a time. The first failure stops the other lanes and is thrown when they have let go.
 */
export async function runInLanes<Item>(
  items: readonly Item[],
  lanesMax: number,
  scope: CallScope,
  work: (item: Item, index: number, scope: CallScope) => Promise<void>,
): Promise<void> {
  const [only] = items;
  if (items.length === 1 && only !== undefined) return work(only, 0, scope);
  const queue = items.entries();
  const lanes = Array.from({ length: Math.min(lanesMax, items.length) }, () => scope.child());
  let failure: { readonly error: unknown } | undefined;
  const runLane = async (lane: CallScope): Promise<void> => {
    try {
      // One queue for all lanes: each takes the next item when it is free.
      for (const [index, item] of queue) {
        if (failure !== undefined) return;
        await work(item, index, lane);
      }
    } catch (error) {
      failure ??= { error };
      // They are no longer wanted, as an attempt that lost a race.
      for (const other of lanes) other.stop("hedge");
    }
  };
  await Promise.all(lanes.map(runLane));
  if (failure !== undefined) throw failure.error;
}
