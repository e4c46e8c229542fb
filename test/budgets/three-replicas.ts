// Three gateways share one budget, one token limit of a day and one of a minute, over a real nats-server, while many callers spend as fast as they
// can and replicas and NATS are killed. What the provider served is the truth that the limit is held against.
import { createHash } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { ServiceError } from "@grpc/grpc-js";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { InferenceService, Outcome, Role, type UsageEvent, UsageEventSchema } from "../../src/contract.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { detailsOf } from "../status-details.ts";
import { type CountingProvider, costOfCall, startProvider, usageOfCall } from "./counting-provider.ts";

export type RoundOptions = {
  /** Callers at once, over all replicas. */
  readonly callers: number;
  /** Calls that the budget, and the limit of a day, pay for; the limit of a minute half of them. */
  readonly calls: number;
  /** Replicas that are killed and started again, and as often NATS. */
  readonly kills: number;
  readonly random: () => number;
};

/** A money budget; tokens of a day; tokens of a minute, all of which may come in one burst. */
export type What = "budget" | "limit" | "burst";

/** Amounts in the unit of what is limited: nano-USD, or tokens. */
export type Spending = {
  readonly what: What;
  readonly limit: number;
  /** What the provider has served, whoever heard of it. */
  readonly served: number;
  /** Sum of the usage events, of the fullest period. Calls that a kill has lost are estimates in it: less than was served, or more. */
  readonly billed: number;
  readonly overspent: number;
  /** Share of the limit that nobody got. */
  readonly unused: number;
  readonly answers: number;
  /** Answers without an event. */
  readonly unbilledAnswers: number;
  readonly refusals: number;
  readonly replicaKills: number;
  readonly natsKills: number;
  readonly seconds: number;
};

const replicaCount = 3;
/** After so many refusals in a row, a caller believes that nothing is left. */
const refusalsMax = 4;
const refusedWaitMs = 40;
const settleMs = 30_000;
const minuteMs = 60_000;

const secrets = { budget: "spends-the-budget", limit: "spends-the-limit", burst: "spends-in-a-burst" } as const;

type Replica = { process: GatewayProcess; client: TestClient; readonly name: string };

type Tally = { answers: Set<string>; refusals: number; replicaKills: number; natsKills: number };

/** Each from whole to empty. */
export async function runRound(options: RoundOptions): Promise<readonly Spending[]> {
  const nats = await startNats();
  const provider = await startProvider();
  try {
    await setUpStream({ access: { servers: [nats.url] } });
    const yaml = yamlOf(provider.port, nats.url, options.calls);
    const replicas: Replica[] = [];
    for (let index = 0; index < replicaCount; index += 1) {
      replicas.push(await openReplica(yaml, `replica-${index}`, undefined));
    }
    const stand = { nats, provider, replicas, yaml, options };
    return [await spend("budget", stand), await spend("limit", stand), await spend("burst", stand)];
  } finally {
    await stopGateways();
    await provider.close();
    await nats.stop();
  }
}

type Stand = {
  readonly nats: NatsServer;
  readonly provider: CountingProvider;
  readonly replicas: Replica[];
  readonly yaml: string;
  readonly options: RoundOptions;
};

async function spend(what: What, stand: Stand): Promise<Spending> {
  const { options, provider, replicas, nats } = stand;
  const calls = what === "burst" ? burstCalls(options.calls) : options.calls;
  const tally: Tally = { answers: new Set(), refusals: 0, replicaKills: 0, natsKills: 0 };
  if (what === "burst") await whenMinuteIsYoung();
  const servedBefore = provider.served;
  const started = performance.now();
  const over = new AbortController();
  const killing = killNowAndThen(stand, tally, () => (provider.served - servedBefore) / calls, over.signal);
  await Promise.all(
    Array.from({ length: options.callers }, (_, index) => callUntilRefused(replicas, index, secrets[what], tally)),
  );
  const seconds = (performance.now() - started) / 1_000;
  over.abort();
  await killing;
  await whenPublished(replicas);
  const events = (await readStream(nats.url)).filter((event) => event.principal?.projectId === what);
  const unit = what === "budget" ? costOfCall : usageOfCall.total_tokens;
  const limit = calls * unit;
  const served = (provider.served - servedBefore) * unit;
  const billedIds = new Set(events.map(({ responseId }) => responseId));
  const fullest = fullestPeriod(what, events);
  return {
    what,
    limit,
    served,
    billed: fullest.billed,
    overspent: Math.max(0, (fullest.only ? served : fullest.calls * unit) - limit),
    unused: Math.max(0, limit - served) / limit,
    answers: tally.answers.size,
    unbilledAnswers: [...tally.answers].filter((id) => !billedIds.has(id)).length,
    refusals: tally.refusals,
    replicaKills: tally.replicaKills,
    natsKills: tally.natsKills,
    seconds,
  };
}

/** A burst that passes into the next minute may spend twice: it begins while most of a minute is ahead. */
async function whenMinuteIsYoung(): Promise<void> {
  const passed = Date.now() % minuteMs;
  if (passed > minuteMs / 2) await wait(minuteMs - passed);
}

/** A limit begins anew with its period: a run over such an instant is judged by the events of the fuller one. */
function fullestPeriod(what: What, events: readonly UsageEvent[]): { calls: number; billed: number; only: boolean } {
  const digits = { budget: 0, limit: "2026-11-24".length, burst: "2026-11-24T12:00".length }[what];
  const periods = new Map<string, { calls: number; billed: number }>();
  for (const event of events) {
    if (event.outcome === Outcome.REJECTED) continue; // Nothing was served.
    const name = event.startTime === undefined ? "" : timestampDate(event.startTime).toISOString().slice(0, digits);
    const period = periods.get(name) ?? { calls: 0, billed: 0 };
    periods.set(name, { calls: period.calls + 1, billed: period.billed + amountOf(what, event) });
  }
  const [fullest = { calls: 0, billed: 0 }] = [...periods.values()].sort((one, other) => other.calls - one.calls);
  return { ...fullest, only: periods.size <= 1 };
}

function burstCalls(calls: number): number {
  return Math.floor(calls / 2);
}

function amountOf(what: What, { cost, usage }: UsageEvent): number {
  return what === "budget" ? Number(cost?.totalNanoUsd ?? 0n) : (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0);
}

async function callUntilRefused(
  replicas: readonly Replica[],
  index: number,
  secret: string,
  tally: Tally,
): Promise<void> {
  for (let refusals = 0; refusals < refusalsMax; ) {
    const replica = replicas[index % replicas.length];
    if (replica === undefined) return;
    const outcome = await callOnce(replica.client, secret, tally);
    if (outcome === "answered") refusals = 0;
    else {
      if (outcome === "refused") refusals += 1;
      await wait(refusedWaitMs);
    }
  }
}

async function callOnce(
  client: TestClient,
  secret: string,
  tally: Tally,
): Promise<"answered" | "refused" | "unavailable"> {
  try {
    const parts = [{ content: { case: "text" as const, value: { text: "hello" } } }];
    const { responseId } = await client.unary(
      InferenceService.method.complete,
      {
        model: "fixed",
        messages: [{ role: Role.USER, parts }],
        sampling: { maxOutputTokens: usageOfCall.completion_tokens },
      },
      { secret },
    );
    tally.answers.add(responseId);
    return "answered";
  } catch (error) {
    const reason = reasonOf(error as ServiceError);
    if (reason !== "BUDGET_EXHAUSTED" && reason !== "RATE_LIMITED") return "unavailable";
    tally.refusals += 1;
    return "refused";
  }
}

/** `undefined`: not from a gateway, which has just died. */
function reasonOf(error: ServiceError): string | undefined {
  if (error.metadata?.get("grpc-status-details-bin").length !== 1) return undefined;
  return detailsOf(error).info?.reason;
}

/** Kills at random points of the spending, `kills` times a replica and as often NATS. */
async function killNowAndThen(
  { options, replicas, nats, yaml }: Stand,
  tally: Tally,
  share: () => number,
  signal: AbortSignal,
): Promise<void> {
  for (let kill = 0; kill < options.kills; kill += 1) {
    const at = (kill + 0.2 + 0.6 * options.random()) / options.kills;
    while (share() < at * 0.9) {
      if (signal.aborted) return;
      await wait(5);
    }
    const replica = replicas[Math.floor(options.random() * replicas.length)];
    if (replica === undefined) return;
    replica.process.kill("SIGKILL");
    tally.replicaKills += 1;
    await replica.process.exited;
    await nats.kill();
    tally.natsKills += 1;
    await wait(options.random() * 200);
    await nats.restart();
    const { folder } = replica.process;
    replica.client.close();
    Object.assign(replica, await openReplica(yaml, replica.name, folder));
  }
}

async function openReplica(yaml: string, name: string, folder: string | undefined): Promise<Replica> {
  const process = await startGateway({
    yaml,
    keys: `keys:\n${keyOf("budget")}${keyOf("limit")}${keyOf("burst")}`,
    ...(folder === undefined ? {} : { folder }),
    env: { LLM_GATEWAY_INSTANCE: name },
    projects: ["budget", "limit", "burst"],
  });
  return { process, client: new TestClient(process.port), name };
}

function keyOf(project: What): string {
  const digest = createHash("sha256").update(secrets[project]).digest("hex");
  return `  - { id: ${project}, project: ${project}, digest: "sha256:${digest}", models: ["*"] }\n`;
}

async function whenPublished(replicas: readonly Replica[]): Promise<void> {
  const deadline = performance.now() + settleMs;
  for (const { process } of replicas) {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${process.port}/metrics`);
      if (/^llmgateway_outbox_depth 0$/m.test(await answer.text())) break;
      if (performance.now() > deadline) throw new Error("events are still waiting for NATS");
      await wait(50);
    }
  }
}

/** Every event once, by its id. */
async function readStream(url: string): Promise<readonly UsageEvent[]> {
  const connection = await connect({ servers: url });
  const { messages } = (await (await jetstreamManager(connection)).streams.info("USAGE")).state;
  const consumer = await jetstream(connection).consumers.get("USAGE");
  const events = new Map<string, UsageEvent>();
  for (let read = 0; read < messages; ) {
    const batch = await consumer.fetch({ max_messages: Math.min(1_000, messages - read), expires: 5_000 });
    for await (const message of batch) {
      read += 1;
      const event = fromBinary(UsageEventSchema, message.data);
      events.set(event.eventId, event);
    }
  }
  await connection.close();
  return [...events.values()];
}

function yamlOf(providerPort: number, natsUrl: string, calls: number): string {
  return `
providers: [{ id: provider, kind: openai-compatible, base_url: "http://127.0.0.1:${providerPort}", credentials: none }]
models: [{ id: fixed, targets: [{ provider: provider, model: sim-fixed }] }]
budgets: [{ id: shared, scope: project/budget, period: total, hard_usd: ${((calls * costOfCall) / 1e9).toFixed(9)} }]
limits:
  - { scope: project/limit, tokens_per_day: ${calls * usageOfCall.total_tokens} }
  - { scope: project/burst, tokens_per_minute: ${burstCalls(calls) * usageOfCall.total_tokens} }
cluster: { nats: { servers: ["${natsUrl}"] } }
usage:
  journal: { durability: os }
  nats: { servers: ["${natsUrl}"], stream: USAGE, subject_prefix: llmgateway }
`;
}
