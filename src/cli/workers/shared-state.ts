// What the primary process keeps for its workers. With a cluster the accounts and objects are NATS's, which every worker
// asks by itself; slots of calls in flight are kept here in any case, since only a parent knows at once that a child died.
import type { Config } from "../../config/config.ts";
import type { EmbeddedAccounts, LeaseHolder } from "../../state/embedded-lease-store.ts";
import { SlotDesk, type SlotHolder } from "../../state/slot-desk.ts";
import type { Handlers } from "./channel.ts";
import type { WorkerAsks, WorkerNews } from "./protocol.ts";
import { SharedObjects } from "./shared-objects.ts";
import type { PrimaryChannel } from "./worker-channel.ts";

type Answer = Handlers<WorkerAsks, WorkerNews>["answer"];

/** What one life of one worker may ask for. */
export type StateHolder = {
  readonly answer: Pick<
    Answer,
    "exchange" | "used" | "slots" | "objectGet" | "objectList" | "objectPut" | "objectDelete" | "objectWatch"
  >;
  readonly slotsReturned: (returned: WorkerNews["slotsReturned"]) => void;
  /** The worker is gone: its slots are free, and what it had leased and not given back counts as spent. */
  end(): void;
};

export type SharedState = {
  /** `recall`: asks the worker for the slots that it does not use. */
  join(recall: SlotHolder["recall"]): StateHolder;
  close(): Promise<void>;
};

type Embedded = { readonly accounts: EmbeddedAccounts; readonly objects: SharedObjects };

export async function openSharedState(config: Config, channels: () => Iterable<PrimaryChannel>): Promise<SharedState> {
  const embedded = config.cluster === undefined ? await openEmbedded(config.dataDir, channels) : undefined;
  const slots = new SlotDesk();
  return {
    join(recall) {
      const slotHolder: SlotHolder = { recall };
      const leases = embedded?.accounts.join();
      return {
        answer: {
          ...answersOf(embedded, leases),
          slots: ({ key, limit, need }) => slots.take(slotHolder, key, limit, need),
        },
        slotsReturned: ({ key, count }) => slots.giveBack(slotHolder, key, count),
        end() {
          slots.forget(slotHolder);
          leases?.end();
        },
      };
    },
    async close() {
      await embedded?.accounts.close();
      await embedded?.objects.close();
    },
  };
}

async function openEmbedded(dataDir: string, channels: () => Iterable<PrimaryChannel>): Promise<Embedded> {
  const [{ openEmbeddedAccounts }, { openEmbeddedObjectStore }] = await Promise.all([
    import("../../state/embedded-lease-store.ts"),
    import("../../state/objects/embedded-object-store.ts"),
  ]);
  const accounts = openEmbeddedAccounts({ dataDir }, Date.now());
  try {
    const objects = new SharedObjects(openEmbeddedObjectStore({ dataDir }), channels);
    await objects.begin();
    return { accounts, objects };
  } catch (error) {
    await accounts.close();
    throw error;
  }
}

function answersOf(
  embedded: Embedded | undefined,
  leases: LeaseHolder | undefined,
): Omit<StateHolder["answer"], "slots"> {
  if (embedded === undefined || leases === undefined) return noneOfOurs;
  const { accounts, objects } = embedded;
  return {
    exchange: (exchange) => leases.exchange(exchange),
    used: (key) => accounts.used(key),
    objectGet: (key) => objects.get(key),
    objectList: (page) => objects.list(page),
    objectPut: (change) => objects.put(change),
    objectDelete: (change) => objects.delete(change),
    objectWatch: () => objects.all(),
  };
}

/** With a cluster nobody asks; who does has a bug. */
function notHere(): never {
  throw new Error("the state of this gateway is in NATS");
}

const noneOfOurs: Omit<StateHolder["answer"], "slots"> = {
  exchange: notHere,
  used: notHere,
  objectGet: notHere,
  objectList: notHere,
  objectPut: notHere,
  objectDelete: notHere,
  objectWatch: notHere,
};
