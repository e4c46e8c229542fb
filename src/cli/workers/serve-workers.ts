// The primary process of `serve --workers N`: it listens, starts the workers and starts them again, and keeps what they
// share: accounts, stored objects, slots of calls in flight, one page of metrics. No call passes through it.
import { hostname } from "node:os";
import type { Config } from "../../config/config.ts";
import type { CorrectionAnswer } from "../../ledger/correction-answer.ts";
import { createListener } from "../../server/connection-source.ts";
import { createLog, type Log } from "../../telemetry/logger.ts";
import { withSimulator } from "../compose/with-simulator.ts";
import { version } from "../version.ts";
import { ConnectionDesk, type Seat } from "./connection-desk.ts";
import { findRetired } from "./find-retired.ts";
import { Fleet } from "./fleet.ts";
import { FleetMetrics } from "./fleet-metrics.ts";
import type { AllRetired, AllRetiredOptions } from "./retired-journals.ts";
import { openSharedState, type StateHolder } from "./shared-state.ts";
import { sharesBelowOne, toWorkerConfig } from "./worker-config.ts";
import { WorkerLife, type WorkerLifeOptions } from "./worker-life.ts";

export type ServeWorkersOptions = {
  readonly config: Config;
  readonly count: number;
  readonly nextFreePort: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The disk of a journal has failed: everything is to end. */
  readonly onPoisoned: () => void;
};

export type RunningWorkers = {
  readonly address: string;
  readonly port: number;
  readonly log: Log;
  reload(): void;
  /** Ends all workers at once, without a drain. */
  kill(): void;
  /** No new connection, every worker drains, then what they share is closed. Safe to call twice. */
  close(): Promise<void>;
};

const limits = {
  /** A worker that does not answer a question about its usage: well above the slowest sum over months of events. */
  usageMs: 120_000,
  /** Beyond the drain time: last words, the journal, and events that NATS takes. */
  endMs: 15_000,
  publisherDrainMs: 5_000,
} as const;

/** Rejects with an `Error` of one line when something that the gateway stands on cannot be had. */
export async function serveWorkers(options: ServeWorkersOptions): Promise<RunningWorkers> {
  const { config, close: closeSimulator } = await withSimulator(options.config);
  const log = createLog({ level: config.telemetry.logLevel, descriptor: 1 });
  const opened: (() => Promise<void>)[] = [async () => log.close(), closeSimulator];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.toReversed()) await close();
  };
  try {
    return await begin({ ...options, config }, log, opened, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function begin(
  options: ServeWorkersOptions,
  log: Log,
  opened: (() => Promise<void>)[],
  closeAll: () => Promise<void>,
): Promise<RunningWorkers> {
  const { config, count, environment } = options;
  const { server } = config;
  const desk = new ConnectionDesk({
    source: createListener({ ...server, nextFreePort: options.nextFreePort, pauseOnConnect: true }),
    connectionsMax: server.maxConnections,
  });
  const { address, port } = await desk.open();
  opened.push(async () => desk.close());
  const instance = environment["LLM_GATEWAY_INSTANCE"] ?? hostname();
  const { onPoisoned } = options;
  const folders = findRetired(config.dataDir, count);
  const retired = await openRetired({ config, folders, instance, environment, log, onPoisoned });
  opened.push(() => retired.close(limits.publisherDrainMs));
  const state = await openSharedState(config, () => [...fleet.lives].map(({ channel }) => channel));
  opened.push(() => state.close());
  const fleet: Fleet = new Fleet({
    count,
    desk,
    begin: (worker) => beginLife(worker),
    logger: log.logger,
    onPoisoned,
  });
  const metrics = new FleetMetrics({ fleet, desk, log, retired: retired.journals, count });

  function beginLife(worker: number): { life: WorkerLife; seat: Seat; onOver: () => void } {
    const holder = state.join((key) => life.channel.ask("slotsRecall", key));
    const seat: Seat = { give: (socket, sent) => life.channel.pass("connection", undefined, socket, sent) };
    const life: WorkerLife = beginOrEnd(holder, {
      start: {
        config: toWorkerConfig(config, worker, count),
        worker,
        instance: `${instance}-${worker}`,
        address,
        port,
      },
      answer: {
        ...holder.answer,
        usageShards: () => shardsBeside(worker),
        usage: ({ shard, question }) => askShard(shard, question),
        correctUsage: ({ shard, request }) => correctInShard(shard, request),
        metrics: () => metrics.page(),
      },
      hear: { closed: () => desk.closed(seat), slotsReturned: holder.slotsReturned },
      onLines: (lines) => log.writeLine(lines),
    });
    return {
      life,
      seat,
      onOver: () => {
        holder.end();
        metrics.ended(worker);
      },
    };
  }

  function shardsBeside(worker: number): readonly number[] {
    const workers = Array.from({ length: count }, (_, index) => index + 1).filter((one) => one !== worker);
    return [...workers, ...retired.journals.map(({ shard }) => shard)];
  }

  async function askShard(shard: number, question: UsageQuestion): Promise<unknown> {
    const journal = retired.journals.find((one) => one.shard === shard);
    if (journal !== undefined) return journal.reader.ask(question);
    return channelOf(shard).ask("usage", question, limits.usageMs);
  }

  async function correctInShard(shard: number, request: Uint8Array): Promise<CorrectionAnswer> {
    const journal = retired.journals.find((one) => one.shard === shard);
    if (journal !== undefined) return journal.correct(request);
    return channelOf(shard).ask("correctUsage", request, limits.usageMs);
  }

  function channelOf(worker: number): WorkerLife["channel"] {
    const life = fleet.serving(worker);
    if (life === undefined) throw new Error("the worker does not serve just now");
    return life.channel;
  }

  for (const share of sharesBelowOne(config, count)) {
    log.logger.warn({ ...share, workers: count }, "too small to be divided: the workers together may use more");
  }
  await fleet.start();
  log.logger.info({ address, port, version, workers: count }, "listening");
  log.flush();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    desk.close();
    await fleet.end(server.drainTimeoutMs + limits.endMs);
    await closeAll();
  };
  return {
    address,
    port,
    log,
    reload: () => fleet.reload(),
    kill: () => fleet.kill(),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Most gateways have none, and the primary process then need not load what journals are made of. */
async function openRetired(options: AllRetiredOptions): Promise<AllRetired> {
  if (options.folders.length === 0) return { journals: [], close: async () => {} };
  const { openAllRetired } = await import("./retired-journals.ts");
  return openAllRetired(options);
}

/** A fork that throws leaves no holder behind: nobody would end it. */
function beginOrEnd(holder: StateHolder, options: WorkerLifeOptions): WorkerLife {
  try {
    return new WorkerLife(options);
  } catch (error) {
    holder.end();
    throw error;
  }
}

type UsageQuestion = Parameters<WorkerLifeAnswer["usage"]>[0]["question"];
type WorkerLifeAnswer = WorkerLifeOptions["answer"];
