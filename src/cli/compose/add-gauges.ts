// Figures that are read when the metrics page is: of the journal, the publisher, the targets, and of what is under way.
import type { UsageLedger } from "../../ledger/ledger.ts";
import type { Publisher } from "../../ledger/publisher/publisher.ts";
import type { CompletionGateway } from "../../pipeline/gateway.ts";
import type { Clock } from "../../pipeline/ports.ts";
import type { RoutingDesk } from "../../routing/router.ts";
import type { ClusteredCalls } from "../../state/calls/clustered-calls.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { GaugeDefinition, Metrics } from "../../telemetry/metrics.ts";
import type { RefusedHandshakes } from "./refused-handshakes.ts";
import type { RefusedKeys } from "./refused-keys.ts";

export type GaugeSources = {
  readonly ledger: UsageLedger;
  readonly publisher: Publisher | undefined;
  readonly router: RoutingDesk;
  readonly gateway: CompletionGateway;
  readonly log: Log;
  readonly clock: Clock;
  readonly refusedKeys: RefusedKeys;
  readonly refusedHandshakes: RefusedHandshakes;
  readonly sharedCalls: ClusteredCalls | undefined;
};

export function addGauges(metrics: Metrics, sources: GaugeSources): void {
  const { ledger, publisher, router, gateway, log, clock, refusedKeys, refusedHandshakes, sharedCalls } = sources;
  const gauges: readonly GaugeDefinition[] = [
    gauge("llmgateway_calls_in_flight", "Calls under way.", () => gateway.inFlight),
    gauge("llmgateway_journal_bytes", "Size of the usage journal.", () => ledger.figures.journalBytes),
    gauge("llmgateway_outbox_depth", "Events that NATS has not acknowledged.", () => ledger.figures.outboxDepth),
    gauge(
      "llmgateway_outbox_oldest_unacked_seconds",
      "Age of the oldest of them.",
      () => ledger.figures.oldestUnackedMs / 1_000,
    ),
    gauge("llmgateway_journal_poisoned", "1 when the disk has failed.", () => ledger.figures.poisoned),
    counter(
      "llmgateway_lost_calls_total",
      "Calls of earlier lives that were closed as lost.",
      () => ledger.figures.lostEvents,
    ),
    counter("llmgateway_log_lines_dropped_total", "Log lines that nobody read in time.", () => log.dropped),
    counter(
      "llmgateway_events_published_total",
      "Events acknowledged by NATS.",
      () => publisher?.figures.published ?? 0,
    ),
    counter(
      "llmgateway_events_retried_total",
      "Events that had to be sent again.",
      () => publisher?.figures.retries ?? 0,
    ),
    gauge("llmgateway_publisher_ready", "1 while events reach NATS.", () =>
      publisher?.state.kind === "publishing" ? 1 : 0,
    ),
    gauge("llmgateway_shared_calls_ready", "1 while request ids are one over all replicas.", () =>
      sharedCalls?.isReady === true ? 1 : 0,
    ),
    {
      name: "llmgateway_provider_keys_refused_total",
      help: "How often a provider refused one of its keys.",
      type: "counter",
      collect: () => refusedKeys.samples,
    },
    {
      name: "llmgateway_tls_handshakes_refused_total",
      help: "Clients that got no TLS connection.",
      type: "counter",
      collect: () => refusedHandshakes.samples,
    },
    targetGauge("llmgateway_target_available", "1 while the target may be called.", (health) =>
      health.unavailableUntilMs === undefined ? 1 : 0,
    ),
    targetGauge("llmgateway_target_in_flight", "Attempts under way.", (health) => health.inFlight),
    targetGauge(
      "llmgateway_target_failure_ratio",
      "Share of recent answers that failed.",
      (health) => health.failureRatio,
    ),
    targetGauge(
      "llmgateway_target_output_tokens_per_second",
      "Recent output speed.",
      (health) => health.outputTokensPerSecond ?? 0,
    ),
  ];
  for (const definition of gauges) metrics.addGauge(definition);

  function targetGauge(name: string, help: string, value: (health: TargetHealth) => number): GaugeDefinition {
    return {
      name,
      help,
      type: "gauge",
      collect: () =>
        router.targetStates(clock.nowMs()).map(({ modelId, target, health }) => ({
          labels: { model: modelId, target: target.id },
          value: value(health),
        })),
    };
  }
}

type TargetHealth = ReturnType<RoutingDesk["targetStates"]>[number]["health"];

function gauge(name: string, help: string, collect: () => number): GaugeDefinition {
  return { name, help, type: "gauge", collect };
}

function counter(name: string, help: string, collect: () => number): GaugeDefinition {
  return { name, help, type: "counter", collect };
}
