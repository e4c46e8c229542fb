import type { Config } from "../../config/config.ts";
import { connectNats } from "../../ledger/publisher/connect-nats.ts";
import type { Admission, Clock } from "../../pipeline/ports.ts";
import { type AdmissionControl, createAdmission, type KeyBindings } from "../../policy/admission.ts";
import { AdmissionQueue } from "../../policy/admission-queue.ts";
import type { BudgetAlert } from "../../policy/budgets/budget-alerts.ts";
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

/** Limits and budgets over the embedded state, or over NATS when the config names a cluster. */
export async function openAdmission(
  config: Config,
  clock: Clock,
  secrets: CredentialParts,
  instance: string,
  bindings: KeyBindings,
  onAlert: (alert: BudgetAlert) => void,
  shared: SharedParts | undefined,
): Promise<OpenAdmission> {
  const store = await openStore(config, clock, secrets, instance, shared);
  const control = createAdmission({
    limits: config.limits,
    budgets: config.budgets,
    store,
    shared: config.cluster !== undefined || shared !== undefined,
    slots: shared?.slots,
    bindings,
    onAlert,
  });
  const timer = setInterval(() => void control.report(clock.nowMs()), reportMs); // Never rejects.
  timer.unref();
  const { waitMsMax, waitingMax } = config.queue;
  return {
    control,
    port: waitMsMax === 0 ? control : new AdmissionQueue({ admission: control, clock, waitMsMax, waitingMax }),
    close: async () => {
      clearInterval(timer);
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
    dataDir: config.dataDir,
  });
}
