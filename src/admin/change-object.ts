import { CallFailure } from "../domain/call-failure.ts";
import type { ObjectStore, StoredObject } from "../state/objects/object-store.ts";
import { RevisionConflict } from "../state/objects/revision-conflict.ts";
import { stateUnreachable } from "./refusals.ts";

const triesMax = 8;

/**
 * Runs a read-change-write until nobody came in between: `attempt` gets what is stored now and throws `RevisionConflict`
 * when its write came too late. `CallFailure`s pass; anything else means that the state cannot be reached.
 */
export async function changeObject<Result>(
  store: ObjectStore,
  key: string,
  attempt: (current: StoredObject | undefined) => Promise<Result>,
): Promise<Result> {
  let lastConflict: unknown;
  for (let tries = 0; tries < triesMax; tries++) {
    try {
      return await attempt(await store.get(key));
    } catch (error) {
      if (error instanceof CallFailure) throw error;
      if (!(error instanceof RevisionConflict)) throw stateUnreachable(error);
      lastConflict = error;
    }
  }
  throw stateUnreachable(lastConflict);
}
