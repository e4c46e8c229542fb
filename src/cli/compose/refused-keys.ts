import type { Log } from "../../telemetry/logger.ts";
import type { GaugeSample } from "../../telemetry/metrics.ts";
import type { Retirement } from "../../upstream/credentials/credential-parts.ts";
import type { Notices } from "./open-notices.ts";

/** A key that a provider refused: in the log, in the metrics, and as a notice on NATS. The key itself is never told. */
export class RefusedKeys {
  readonly #logger: Log["logger"];
  readonly #counts = new Map<string, number>();
  #notices: Notices | undefined;

  constructor({ logger }: Log) {
    this.#logger = logger;
  }

  /** Secrets are needed before NATS is there. */
  set notices(notices: Notices) {
    this.#notices = notices;
  }

  /** How often, by id of the provider in the config. */
  get samples(): readonly GaugeSample[] {
    return [...this.#counts].map(([provider, value]) => ({ labels: { provider }, value }));
  }

  tell({ providerId, keyIndex, untilMs }: Retirement): void {
    this.#counts.set(providerId, (this.#counts.get(providerId) ?? 0) + 1);
    this.#logger.warn({ provider: providerId, keyIndex }, "a provider refused a key");
    const until = new Date(untilMs).toISOString();
    const notice = { type: "provider.key_refused", provider_id: providerId, key_index: keyIndex, until };
    this.#notices?.publish("provider.v1.key_refused", JSON.stringify(notice));
  }
}
