import { randomUUID } from "node:crypto";
import type { Config } from "../../config/config.ts";
import { connectNats } from "../../ledger/publisher/connect-nats.ts";
import type { Admission, Clock } from "../../pipeline/ports.ts";
import { type AdmissionControl, createAdmission, type KeyBindings } from "../../policy/admission.ts";
import { AdmissionQueue } from "../../policy/admission-queue.ts";
import type { BudgetAlert } from "../../policy/budgets/budget-alerts.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import type { SharedParts } from "./shared-parts.ts";
import { toNatsAccess } from "./to-nats-access.ts";

export type OpenAdmission = {
  readonly control: AdmissionControl;
  /** What calls go through: the control, or the queue before it. */
  readonly port: Admission;
  close(): Promise<void>;
};

/** What was spent is told to the store this often, so that other instances and a restart see it. */
const reportMs = 2_000;

/** A gateway waits so long for its share of the limits on concurrency before it listens. */
const presenceMsMax = 3_000;

/** Known once the admission is made, which needs the presence. */
type SlotsInUse = { of: AdmissionControl["slots"] };

/** Limits and budgets over the embedded state, or over NATS when the config names a cluster. */
export async function openAdmission(
  config: Config,
  clock: Clock,
  secrets: CredentialParts,
  instance: string,
  bindings: KeyBindings,
  onAlert: (alert: BudgetAlert) => void,
  shared: SharedParts | undefined,
  log: Log,
): Promise<OpenAdmission> {
  const store = await openStore(config, clock, secrets, instance, shared);
  const slots: SlotsInUse = { of: () => [] };
  const presence = await openPresence(config, secrets, instance, slots, log);
  const control = createAdmission({
    limits: config.limits,
    budgets: config.budgets,
    store,
    shared: config.cluster !== undefined || shared !== undefined,
    presence,
    // With a cluster every process is an instance of its own, with its share.
    slots: presence === undefined ? shared?.slots : undefined,
    bindings,
    onAlert,
  });
  slots.of = () => control.slots();
  // Calls that come before the others have made room would be refused.
  if (config.limits.some(({ concurrency }) => concurrency !== undefined)) await presence?.settled(presenceMsMax);
  const timer = setInterval(() => void control.report(clock.nowMs()), reportMs); // Never rejects.
  timer.unref();
  const { waitMsMax, waitingMax } = config.queue;
  return {
    control,
    port: waitMsMax === 0 ? control : new AdmissionQueue({ admission: control, clock, waitMsMax, waitingMax }),
    close: async () => {
      clearInterval(timer);
      await presence?.close();
      await control.close();
      await store.close();
    },
  };
}

async function openStore(
  config: Config,
  clock: Clock,
  secrets: CredentialParts,
  instance: string,
  shared: SharedParts | undefined,
) {
  const { cluster } = config;
  if (cluster === undefined && shared !== undefined) return shared.leases;
  if (cluster === undefined) {
    const { openEmbeddedLeaseStore } = await import("../../state/embedded-lease-store.ts");
    return openEmbeddedLeaseStore({ dataDir: config.dataDir }, clock.nowMs());
  }
  const { createClusteredLeaseStore } = await import("../../state/clustered-lease-store.ts");
  const access = await toNatsAccess(cluster.nats, secrets);
  return createClusteredLeaseStore({
    connect: async () => (await connectNats(access, instance)).connection,
    // Processes that share a folder would take each other for lives that have ended.
    ...(shared === undefined ? { dataDir: config.dataDir } : {}),
  });
}

async function openPresence(
  { cluster }: Config,
  secrets: CredentialParts,
  instance: string,
  slots: SlotsInUse,
  { logger }: Log,
) {
  if (cluster === undefined) return undefined;
  const { ClusteredPresence } = await import("../../state/clustered-presence.ts");
  const access = await toNatsAccess(cluster.nats, secrets);
  return new ClusteredPresence({
    connect: async () => (await connectNats(access, instance)).connection,
    holder: randomUUID(),
    inUse: () => slots.of(),
    onLost: (error) => {
      const cause = error instanceof Error ? error.message : String(error);
      logger.warn({ cause }, "the list of instances cannot be kept; limits on concurrency will be cut off");
    },
  });
}
