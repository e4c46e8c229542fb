import { CallFailure } from "../domain/call-failure.ts";
import type { ObjectStore, StoredObject } from "../state/objects/object-store.ts";
import { RevisionConflict } from "../state/objects/revision-conflict.ts";
import { changedMeanwhile, stateUnreachable } from "./refusals.ts";

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

/**
 * Replaces the version that was read, with its new value; gives the new revision. A writer with an etag is told when
 * somebody came in between; one without is to be served with what is there then.
 */
export async function replaceObject(
  store: ObjectStore,
  { key, value, revision }: StoredObject,
  named: { readonly etag: string; readonly type: string; readonly id: string },
): Promise<number> {
  try {
    return await store.put(key, value, revision);
  } catch (error) {
    if (error instanceof RevisionConflict && named.etag !== "") throw changedMeanwhile(named.type, named.id);
    throw error;
  }
}
