// The composition root: the only file that connects things. Config in, a running gateway out; nothing here decides.
import { hostname } from "node:os";
import { join } from "node:path";
import { createCatalogue } from "../catalogue/create-catalogue.ts";
import type { Config } from "../config/config.ts";
import { type LedgerLog, openLedger } from "../ledger/ledger.ts";
import { explainCall } from "../pipeline/explain-call.ts";
import { CompletionGateway } from "../pipeline/gateway.ts";
import { ModelDirectory } from "../pipeline/model-directory.ts";
import { defaultPipelineLimits, type PipelineParts } from "../pipeline/pipeline-parts.ts";
import type { Clock } from "../pipeline/ports.ts";
import { defaultReplayLimits } from "../pipeline/replay/replay-store.ts";
import { createUuidV7Source } from "../pipeline/uuid-v7.ts";
import { createAuthenticator } from "../policy/authenticate.ts";
import { createKeyDirectory } from "../policy/key-directory.ts";
import { createRouter } from "../routing/router.ts";
import { compileRules } from "../routing/rules.ts";
import type { RunningServer } from "../server/serve-calls.ts";
import { startServer } from "../server/server.ts";
import type { Services } from "../server/services.ts";
import { createLog, type Log } from "../telemetry/logger.ts";
import { createMetrics, metricsContentType } from "../telemetry/metrics.ts";
import { createObserver } from "../telemetry/observer.ts";
import { readProcessFigures } from "../telemetry/process-figures.ts";
import { ReportedCosts } from "../telemetry/reported-costs.ts";
import { continueTrace } from "../telemetry/trace-context.ts";
import type { CredentialParts } from "../upstream/credentials/credential-parts.ts";
import { createCredentialStore } from "../upstream/credentials/credential-store.ts";
import { createTextFetcher, toRequest } from "../upstream/fetch-text.ts";
import { createUpstream } from "../upstream/undici-upstream.ts";
import { addGauges } from "./compose/add-gauges.ts";
import {
  auditDeniedMethod,
  auditedAuthenticator,
  auditedObserver,
  auditedQuestion,
  auditRefusedRequest,
  inferenceMethod,
} from "./compose/audited.ts";
import { authenticateScoped } from "./compose/authenticate-scoped.ts";
import { createCorrector } from "./compose/create-corrector.ts";
import { createTargets } from "./compose/create-targets.ts";
import { openAdministration } from "./compose/open-administration.ts";
import { openAdmission } from "./compose/open-admission.ts";
import { openAlerts } from "./compose/open-alerts.ts";
import { openAudit } from "./compose/open-audit.ts";
import { openCorrections } from "./compose/open-corrections.ts";
import { openNotices } from "./compose/open-notices.ts";
import { openObjects } from "./compose/open-objects.ts";
import { openPublisher } from "./compose/open-publisher.ts";
import { openSharedCalls } from "./compose/open-shared-calls.ts";
import { openTraces } from "./compose/open-traces.ts";
import { openUsageQueries } from "./compose/open-usage-queries.ts";
import { createPooledRandom } from "./compose/pooled-random.ts";
import type { AttemptPrices } from "./compose/price-attempt.ts";
import { readCertificates } from "./compose/read-certificates.ts";
import { readPriceOverrides } from "./compose/read-price-overrides.ts";
import { RefusedHandshakes } from "./compose/refused-handshakes.ts";
import { RefusedKeys } from "./compose/refused-keys.ts";
import { repriceLost } from "./compose/reprice-lost.ts";
import type { SharedParts } from "./compose/shared-parts.ts";
import { createStoredObjects } from "./compose/stored-objects.ts";
import { withSimulator } from "./compose/with-simulator.ts";
import { version } from "./version.ts";

export type RunningGateway = {
  readonly address: string;
  readonly port: number;
  readonly log: Log;
  /**
   * Secrets are read anew when they are next needed, the server's certificates at once, for new connections; if they cannot
   * be used, the old ones stay and the log says why.
   */
  reload(): void;
  /** Not ready, GOAWAY, streams run on until the drain deadline, everything flushed. Safe to call twice. */
  close(): Promise<void>;
};

export type ComposeOptions = {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Tries the next ports when the wanted one is taken. */
  readonly nextFreePort: boolean;
  /** The disk has failed: the process should end. */
  readonly onPoisoned: (error: Error) => void;
  /** This gateway is one of several processes on one port. Default: it is alone. */
  readonly shared?: SharedParts | undefined;
};

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

/** Rejects with an `Error` of one line when something that the gateway stands on cannot be had. */
export async function composeGateway(written: Config, options: ComposeOptions): Promise<RunningGateway> {
  const { config, close: closeSimulator } = await withSimulator(written);
  const log = createLog({ level: config.telemetry.logLevel, descriptor: 1 });
  const { logger } = log;
  const instance = options.environment["LLM_GATEWAY_INSTANCE"] ?? hostname();
  const catalogue = createCatalogue({ overrides: readPriceOverrides(config) });
  const { providers, targetOf } = await createTargets(config, catalogue);
  const router = createRouter({
    models: config.models,
    targetOf,
    prices: catalogue,
    random: Math.random,
    rules: await compileRules(config.rules),
    credentialsOf: keysByProvider(config),
  });
  const fetcher = createTextFetcher();
  const refusedKeys = new RefusedKeys(log);
  const secrets: CredentialParts = {
    nowMs: clock.nowMs,
    env: options.environment,
    fetchText: fetcher.fetchText,
    onRetired: (retirement) => refusedKeys.tell(retirement),
  };
  const credentials = createCredentialStore(config.providers, secrets);
  const upstream = createUpstream({ providers: config.providers });
  const prices: AttemptPrices = { config, providers, pricer: catalogue };
  const ledger = await openLedger({
    folder: join(config.dataDir, "journal"),
    instance,
    ...config.usage.journal,
    delivery: config.usage.nats === undefined ? "keep" : "outbox",
    reprice: (start, usage) => repriceLost(start, usage, prices),
    onPoisoned: options.onPoisoned,
    log: ledgerLog(log),
    now: clock.nowMs,
  });
  const publisher = await openPublisher(config, ledger, instance, ledgerLog(log), secrets);
  const usage = openUsageQueries(config, ledger, options.shared?.usage);
  const notices = await openNotices(config, instance, log, secrets);
  refusedKeys.notices = notices;
  const alerts = openAlerts(config, clock, log, secrets, notices);
  const stored = createStoredObjects(config, log);
  const admission = await openAdmission(
    config,
    clock,
    secrets,
    instance,
    stored.limits,
    alerts.tell,
    options.shared,
    log,
  );
  const metrics = createMetrics({ version, processFigures: readProcessFigures });
  const reportedCosts = new ReportedCosts({ log, threshold: config.prices.driftThreshold, nowMs: clock.nowMs });
  reportedCosts.addTo(metrics);
  const traces = openTraces(config, instance);
  const directory = createKeyDirectory(config.keys, config.tenants);
  const audit = openAudit(config, clock, log, notices);
  const administration = await openAdministration({
    config,
    store: await openObjects(config, log, secrets, instance, options.shared),
    stored,
    router,
    figures: admission.control.figures,
    directory,
    audit,
    clock,
    log,
  });
  const checked = createAuthenticator({
    keys: directory,
    authentication: config.authentication,
    tenants: config.tenants,
    fetchJwks: async (uri: string) => JSON.parse((await fetcher.fetchText(toRequest(uri))).text),
  });
  const authenticator = auditedAuthenticator(checked, audit, ({ keyId }) => administration.noteUse(keyId));
  const random = createPooledRandom();
  const newId = createUuidV7Source(random);
  const corrections = openCorrections({
    corrector: createCorrector({ ledger, reader: usage.reader, prices, newId, now: clock.nowMs }),
    reader: usage.reader,
    shared: options.shared?.usage,
    audit,
  });
  const sharedCalls = await openSharedCalls(config, instance, log, secrets);
  const parts: PipelineParts = {
    authenticator,
    router,
    admission: admission.port,
    ledger,
    pricer: catalogue,
    credentials,
    upstream,
    providers,
    observer: auditedObserver(createObserver({ log, metrics, traces, reportedCosts, clock }), audit),
    clock,
    newId,
    traceOf: (traceparent, tracestate) => continueTrace(traceparent, tracestate, random),
    limits: { ...defaultPipelineLimits, heartbeatMs: config.server.heartbeatIntervalMs },
    sharedCalls,
  };
  const { rememberMs, resumeWindowMs } = config.replay;
  const gateway = new CompletionGateway(parts, { ...defaultReplayLimits, rememberMs, resumeWindowMs });
  const refusedHandshakes = new RefusedHandshakes(audit);
  addGauges(metrics, { ledger, publisher, router, gateway, log, clock, refusedKeys, refusedHandshakes, sharedCalls });
  const models = new ModelDirectory({
    router,
    providers,
    pricer: catalogue,
    clock,
    isHealthy: (targetId) =>
      router
        .targetStates(clock.nowMs())
        .some(({ target, health }) => target.id === targetId && health.unavailableUntilMs === undefined),
  });
  const services: Services = {
    gateway,
    ...administration.services,
    authenticate: authenticateScoped(authenticator, clock, auditDeniedMethod(audit)),
    models: {
      list: (who, request) => models.list(who, request),
      get: auditedQuestion(
        (who, request) => models.get(who, request),
        "llmgateway.v1.ModelService/GetModel",
        ({ modelId }) => modelId,
        audit,
      ),
    },
    explain: auditedQuestion(
      (who, request) => explainCall({ router, admission: admission.control, clock }, who, request),
      inferenceMethod("Explain"),
      ({ request }) => request?.model ?? "",
      audit,
    ),
    usage: { ...usage.queries, ...corrections },
  };
  const closeParts = async (drainMs: number): Promise<void> => {
    await sharedCalls?.close();
    await publisher?.close(drainMs);
    await usage.close();
    await ledger.close();
    await admission.close();
    await administration.close();
    await audit.close();
    await alerts.close();
    await notices.close();
    await traces?.close();
    await upstream.close();
    await closeSimulator();
    await fetcher.close();
    log.close();
  };
  const { shared } = options;
  shared?.onMetrics(metrics.format);
  const server = await startServer(serverOptions(config, options), services, {
    logger,
    metrics: { text: shared?.metricsPage ?? metrics.format, contentType: metricsContentType },
    isReady: () => ledger.figures.poisoned === 0 && shared?.isReady() !== false,
    onRefused: auditRefusedRequest(audit),
    onHandshakeRefused: (because) => refusedHandshakes.tell(because),
  }).catch(async (error: unknown) => {
    await closeParts(0); // What stays open would keep the process alive, without a port.
    throw error;
  });
  if (shared === undefined) logger.info({ address: server.address, port: server.port, version }, "listening");
  log.flush();

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const drained = gateway.drain();
    const served = server.close(config.server.drainTimeoutMs + lastWordsMs);
    const deadline = setTimeout(() => gateway.stopAll(), config.server.drainTimeoutMs);
    await drained;
    clearTimeout(deadline);
    await served;
    await closeParts(publisherDrainMs);
  };
  return {
    address: server.address,
    port: server.port,
    log,
    reload: () => {
      credentials.reload();
      reloadCertificates(config, server, log);
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Between the drain deadline and the end of the last connection: time to send the failures that it caused. */
const lastWordsMs = 1_000;
/** Events that NATS did not take by then are published by the next life. */
const publisherDrainMs = 5_000;

function serverOptions(
  { server }: Config,
  { nextFreePort, shared }: ComposeOptions,
): Parameters<typeof startServer>[0] {
  const { host, port, maxRequestBytes, maxConnections, maxStreamsPerConnection } = server;
  return {
    host,
    port,
    nextFreePort,
    maxRequestBytes,
    maxConnections,
    maxStreamsPerConnection,
    tls: readCertificates(server),
    connections: shared?.connections,
  };
}

function reloadCertificates({ server: settings }: Config, server: RunningServer, { logger }: Log): void {
  try {
    const certificates = readCertificates(settings);
    if (certificates !== undefined) {
      server.useCertificates(certificates);
      logger.info("the certificates were read anew");
    }
  } catch (error) {
    // The reason names a file or what OpenSSL makes of it, never what stands in it.
    const reason = error instanceof Error ? error.message : String(error);
    logger.error({ reason }, "the certificates cannot be used, and the old ones stay");
  }
}

/** How many keys a provider's store can rotate through before the whole target is at fault. */
function keysByProvider({ providers }: Config): (providerId: string) => number {
  const counts = new Map(
    providers.map(({ settings, credentials }) => [
      settings.id,
      credentials.kind === "api-key" ? credentials.apiKeys.length : 1,
    ]),
  );
  return (providerId) => counts.get(providerId) ?? 1;
}

function ledgerLog({ logger }: Log): LedgerLog {
  return {
    warn: (message, facts) => logger.warn(facts, message),
    info: (message, facts) => logger.info(facts, message),
  };
}
