import { toAlertMessage } from "../../admin/alerts/alert-message.ts";
import { createWebhook } from "../../admin/alerts/webhook.ts";
import type { Config } from "../../config/config.ts";
import type { Clock } from "../../pipeline/ports.ts";
import type { BudgetAlert } from "../../policy/budgets/budget-alerts.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import { createSecretSource } from "../../upstream/credentials/secret-source.ts";
import { toRequest } from "../../upstream/fetch-text.ts";
import type { Notices } from "./open-notices.ts";

export type OpenAlerts = { tell(alert: BudgetAlert): void; close(): Promise<void> };

/** Thresholds of budgets: in the log, as events on NATS, and to the webhook of the config. */
export function openAlerts(
  config: Config,
  clock: Clock,
  { logger }: Log,
  secrets: CredentialParts,
  notices: Notices,
): OpenAlerts {
  const webhook = openWebhook(config, clock, logger, secrets);
  return {
    tell(alert) {
      const { spentNanoUsd, limitNanoUsd, ...rest } = alert;
      const facts = { ...rest, spentNanoUsd: String(spentNanoUsd), limitNanoUsd: String(limitNanoUsd) };
      logger.warn(facts, "a budget passed a threshold");
      const message = toAlertMessage(alert, clock.nowMs());
      notices.publish("budget.v1.alert", message);
      webhook?.send(message);
    },
    close: async () => webhook?.close(),
  };
}

function openWebhook({ alerts }: Config, clock: Clock, logger: Log["logger"], secrets: CredentialParts) {
  if (alerts === undefined) return undefined;
  const secret = createSecretSource(alerts.secret, secrets);
  return createWebhook({
    post: async (headers, body) =>
      (await secrets.fetchText(toRequest(alerts.webhook, { method: "POST", headers, body }))).status,
    secret: async () => secret.get(),
    nowMs: clock.nowMs,
    onGivenUp: (because) => logger.error({ because }, "an alert did not reach the webhook"),
  });
}
