// The stored keys, budgets and routes, which the primary process has open. A change is answered when every worker has it:
// a key that was revoked opens nothing any more, on whichever connection it comes.
import type { ObjectChange, ObjectStore } from "../../state/objects/object-store.ts";
import { RevisionConflict } from "../../state/objects/revision-conflict.ts";
import type { ObjectOutcome } from "./protocol.ts";
import type { WorkerChannel } from "./worker-channel.ts";

export type RemoteObjectStore = ObjectStore & {
  /** To be called with every change that the primary process tells of. */
  readonly changed: (change: ObjectChange) => void;
};

export function createRemoteObjectStore(channel: WorkerChannel): RemoteObjectStore {
  let tell: (change: ObjectChange) => void = () => {};
  return {
    get: (key) => channel.ask("objectGet", key),
    list: (prefix, { after, limit }) => channel.ask("objectList", { prefix, after, limit }),
    put: async (key, value, expected) => toValue(key, await channel.ask("objectPut", { key, value, expected })),
    delete: async (key, expected) => toValue(key, await channel.ask("objectDelete", { key, expected })),
    async watch(onChange) {
      tell = onChange; // Before the question: changes come from the moment that it is answered.
      for (const object of await channel.ask("objectWatch", undefined)) onChange({ kind: "put", object });
    },
    close: async () => {}, // As with the accounts.
    changed: (change) => tell(change),
  };
}

function toValue<Value>(key: string, outcome: ObjectOutcome<Value>): Value {
  if (outcome.kind === "conflict") throw new RevisionConflict(key);
  return outcome.value;
}
