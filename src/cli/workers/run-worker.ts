import type { Socket } from "node:net";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { CorrectionAnswer } from "../../ledger/correction-answer.ts";
import type { Ask, UsageShard } from "../../ledger/usage-index/usage-siblings.ts";
import type { ConnectionSource } from "../../server/connection-source.ts";
import type { SharedParts } from "../compose/shared-parts.ts";
import { composeGateway, type RunningGateway } from "../compose-gateway.ts";
import { exitCodePoisoned } from "../exit-codes.ts";
import { Channel, parentPeer } from "./channel.ts";
import type { PrimaryAsks, PrimaryNews, WorkerAsks, WorkerNews, WorkerStart } from "./protocol.ts";
import { createRemoteLeaseStore } from "./remote-lease-store.ts";
import { createRemoteObjectStore } from "./remote-object-store.ts";
import { createRemoteSlots } from "./remote-slots.ts";
import type { WorkerChannel } from "./worker-channel.ts";

const limits = {
  /** Beyond the drain time, as the primary process would wait: last words, the journal, and events that NATS takes. */
  endMs: 15_000,
} as const;

/** Waits for its orders; ends the process when it is done. */
export function runWorker(): void {
  let gateway: Promise<RunningGateway> | undefined;
  let isFleetReady = false;
  let take: (socket: Socket) => void = (socket) => void socket.destroy();
  const isStarting = () => Promise.reject(new Error("the worker is starting"));
  let askUsage: Ask = isStarting;
  let correctUsage: (request: Uint8Array) => Promise<CorrectionAnswer> = isStarting;
  let ownMetrics: () => string = () => "";

  const channel: WorkerChannel = new Channel<WorkerAsks, WorkerNews, PrimaryAsks, PrimaryNews>(parentPeer(), {
    answer: {
      objectChanged: (change) => {
        objects.changed(change);
        return undefined;
      },
      slotsRecall: (key) => slots.recalled(key),
      usage: (question) => askUsage(question),
      correctUsage: (request) => correctUsage(request),
      metrics: () => ownMetrics(),
    },
    hear: {
      start: (start) => void begin(start),
      connection: (_body, socket) => hearConnection(socket),
      fleet: ({ isReady }) => {
        isFleetReady = isReady;
      },
      reload: () =>
        void gateway?.then(
          (running) => running.reload(),
          () => undefined, // It has told the primary process why it cannot start.
        ),
      drain: () => void end(),
    },
  });
  const objects = createRemoteObjectStore(channel);
  const slots = createRemoteSlots(channel);
  let drainTimeoutMs = 0;
  process.on("disconnect", () => {
    // Nobody is left to end a worker that cannot end by itself, and the next gateway waits for its folder.
    setTimeout(() => process.exit(1), drainTimeoutMs + limits.endMs).unref();
    void end();
  });

  function hearConnection(socket: Socket | undefined): void {
    if (socket === undefined) {
      channel.tell("closed", undefined); // The caller had gone before the socket arrived.
      return;
    }
    socket.on("close", () => channel.tell("closed", undefined));
    socket.setNoDelay(true);
    take(socket);
  }

  function toConnections({ address, port }: WorkerStart): ConnectionSource {
    return {
      open: async (onConnection) => {
        take = onConnection;
        return { address, port };
      },
      close: () => {
        take = (socket) => void socket.destroy();
      },
    };
  }

  function toShared(start: WorkerStart): SharedParts {
    const shardOf = (shard: number): UsageShard => ({
      shard,
      ask: (question) => channel.ask("usage", { shard, question }).catch(toUsageFailure),
    });
    return {
      leases: createRemoteLeaseStore(channel),
      objects,
      slots,
      connections: toConnections(start),
      usage: {
        siblings: {
          own: start.worker,
          others: async () => (await channel.ask("usageShards", undefined)).map(shardOf),
        },
        onAsk: (ask) => {
          askUsage = ask;
        },
        correctIn: (shard, request) => channel.ask("correctUsage", { shard, request }).catch(toUsageFailure),
        onCorrect: (correct) => {
          correctUsage = correct;
        },
      },
      metricsPage: () => channel.ask("metrics", undefined),
      onMetrics: (own) => {
        ownMetrics = own;
      },
      isReady: () => isFleetReady,
    };
  }

  async function begin(start: WorkerStart): Promise<void> {
    const { config, instance } = start;
    ({ drainTimeoutMs } = config.server);
    gateway = composeGateway(config, {
      environment: { ...process.env, LLM_GATEWAY_INSTANCE: instance },
      nextFreePort: false,
      onPoisoned: (error) => {
        process.stderr.write(`the usage journal has failed, and no call may go unrecorded: ${error.message}\n`);
        process.exit(exitCodePoisoned);
      },
      shared: toShared(start),
    });
    try {
      await gateway;
      channel.tell("ready", undefined);
    } catch (error) {
      channel.tell("failed", error instanceof Error ? error.message : String(error));
    }
  }

  async function end(): Promise<void> {
    await (await gateway?.catch(() => undefined))?.close();
    process.exit(0);
  }
}

function toUsageFailure(error: unknown): never {
  throw new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the usage of another worker cannot be had", {
    retryAfterMs: 1_000,
    cause: error,
  });
}
