// An operator learns later what a call truly consumed, or that a price was wrong, and says so once: QueryUsage, the command
// line, the stream and the consumer's database have the same sums again, also when the gateway is killed in between.
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BillingDatabase } from "../../examples/billing-consumer/billing-database.ts";
import { consumeUsage } from "../../examples/billing-consumer/consume-usage.ts";
import {
  adminBudgets,
  CorrectUsageResponseSchema,
  Outcome,
  type UsageEvent,
  UsageService,
  UsageSource,
} from "../../src/contract.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { adminSecret, keysFor, platformSecret } from "../admin-keys.ts";
import { auditFolder, auditRecordLike, auditRecords } from "../audit-records.ts";
import { failureOf } from "../failure-of.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually, Stage, waitForEvent } from "./stage.ts";

const { correctUsage, queryUsage } = UsageService.method;
const asPlatform = { secret: platformSecret };
const folder = mkdtempSync(join(tmpdir(), "llm-gateway-corrections-"));
const prices = join(folder, "prices.yaml");
const billing = join(folder, "billing.sqlite");

let nats: NatsServer;
let stage: Stage;

/** Nano-USD for each input and each output token. */
function setPrices(input: number, output: number): void {
  const row = { provider: "sim", model: "sim-small", input: input * 1e6, output: output * 1e6 };
  writeFileSync(prices, `- ${JSON.stringify(row)}\n`);
}

beforeAll(async () => {
  setPrices(100, 1_000);
  nats = await startNats();
  await setUpStream({ access: { servers: [nats.url] } });
  stage = await Stage.open({
    models: { small: ["sim/sim-small"], slow: ["sim/sim-tokens-400+pace-20ms"] },
    keys: keysFor(),
    yaml: `prices: { overrides: "${prices}" }
budgets: [{ id: of-search, scope: project/search, period: month, hard_usd: 1000 }]
usage: { nats: { servers: ["${nats.url}"], stream: USAGE, subject_prefix: llmgateway } }
`,
  });
});

afterAll(async () => {
  await stage?.close();
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A call and its event. */
async function called(): Promise<UsageEvent> {
  return stage.eventOf((await stage.complete(ask("small"))).responseId);
}

async function cli(...words: readonly string[]) {
  return promisify(execFile)(process.execPath, ["src/main.ts", "usage", ...words], {
    env: { ...process.env, LLM_GATEWAY_KEY: platformSecret },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

const address = () => ["--address", `127.0.0.1:${stage.gateway.port}`];

type Sums = { readonly calls: number; readonly input: number; readonly output: number; readonly cost: number };

/** Of the events that count: those that no other replaces. */
async function sumsOfEvents(): Promise<Sums> {
  const events = await stage.events();
  const replaced = new Set(events.map(({ correctsEventId }) => correctsEventId));
  const counting = events.filter(({ eventId }) => !replaced.has(eventId));
  const sum = (of: (event: UsageEvent) => number) => counting.reduce((total, event) => total + of(event), 0);
  return {
    calls: counting.length,
    input: sum(({ usage }) => usage?.inputTokens ?? 0),
    output: sum(({ usage }) => usage?.outputTokens ?? 0),
    cost: sum(({ cost }) => Number(cost?.totalNanoUsd ?? 0n)),
  };
}

/** Of everything that can be asked, after all has arrived everywhere. */
async function sumsEverywhere(): Promise<Readonly<Record<string, Sums>>> {
  await eventually(async () => ((await stage.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
  const [row] = (await stage.client.unary(queryUsage, { filter: {} })).rows;
  const line: unknown = JSON.parse((await cli("sum", ...address(), "--by", "project", "--json")).stdout);
  const told = line as { requestCount: string; inputTokens: string; outputTokens: string; costNanoUsd: string };
  return {
    queryUsage: {
      calls: Number(row?.requestCount),
      input: Number(row?.inputTokens),
      output: Number(row?.outputTokens),
      cost: Number(row?.costNanoUsd),
    },
    usageSum: {
      calls: Number(told.requestCount),
      input: Number(told.inputTokens),
      output: Number(told.outputTokens),
      cost: Number(told.costNanoUsd),
    },
    billed: await billedSums((await stage.events()).length),
  };
}

/** Books until the database has so many events, and sums those that are billed. */
async function billedSums(events: number): Promise<Sums> {
  const database = new BillingDatabase(billing);
  const over = new AbortController();
  const consuming = consumeUsage({ nats: { servers: nats.url }, database, signal: over.signal });
  const reader = new DatabaseSync(billing, { readOnly: true });
  const count = () => reader.prepare("SELECT count(*) AS n FROM usage_event").get()?.["n"];
  await eventually(() => (count() === events ? true : undefined));
  over.abort();
  await consuming;
  const sums = reader
    .prepare(
      `SELECT count(*) AS calls, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cost_nano_usd) AS cost
        FROM billable`,
    )
    .get();
  reader.close();
  database.close();
  const { calls, input, output, cost } = sums ?? {};
  return { calls: Number(calls), input: Number(input), output: Number(output), cost: Number(cost) };
}

async function expectAgreement(): Promise<Sums> {
  const sums = await sumsOfEvents();
  expect(await sumsEverywhere()).toEqual({ queryUsage: sums, usageSum: sums, billed: sums });
  const config = join(stage.gateway.folder, "gateway.yaml");
  const compared = await cli("reconcile", "--config", config, "--database", billing);
  expect(compared).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("nothing is missing, doubled or differs"),
  });
  return sums;
}

async function restartAfterKill(): Promise<void> {
  stage.gateway.kill("SIGKILL");
  await stage.gateway.exited;
  await stage.restart();
}

describe("a call that was lost, whose true counts are known from the provider", () => {
  let lost: UsageEvent;
  const truer = ["--input-tokens", "1200", "--output-tokens", "340", "--reason", "dashboard of the provider"];

  beforeAll(async () => {
    for (let call = 0; call < 3; call += 1) await called();
    const stream = stage.stream(ask("slow"));
    stream.on("error", () => undefined); // The kill.
    const { event } = await waitForEvent(stream, "started");
    const responseId = event.case === "started" ? event.value.responseId : "";
    await restartAfterKill();
    lost = await stage.eventOf(responseId);
    expect(lost).toMatchObject({ outcome: Outcome.LOST, usage: { source: UsageSource.ESTIMATED } });
  });

  it("is shown as it would be, and stays as it is", async () => {
    const before = await expectAgreement();
    const { code, stdout } = await cli("correct", lost.eventId, ...address(), ...truer, "--dry-run");
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`input_tokens +${lost.usage?.inputTokens} +1200 `));
    expect(stdout).toContain("nothing was written");
    expect(await expectAgreement()).toEqual(before);
  });

  it("is corrected once, and all sums follow, whoever is asked", async () => {
    const before = await expectAgreement();
    const { code, stdout } = await cli("correct", lost.eventId, ...address(), ...truer, "--request-id", "ticket-1");
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`\n[0-9a-f-]{36} replaces ${lost.eventId}\n$`));
    const after = await expectAgreement();
    expect(after.calls).toBe(before.calls);
    expect(after.input - before.input).toBe(1200 - (lost.usage?.inputTokens ?? 0));
    expect(after.output - before.output).toBe(340 - (lost.usage?.outputTokens ?? 0));
    const correction = (await stage.events()).find(({ correctsEventId }) => correctsEventId === lost.eventId);
    expect(correction).toMatchObject({
      outcome: Outcome.LOST,
      responseId: lost.responseId,
      principal: lost.principal,
      eventTime: lost.eventTime,
      gatewayInstance: lost.gatewayInstance,
      usage: { inputTokens: 1200, outputTokens: 340, source: UsageSource.PROVIDER },
      attempts: [{ usage: { inputTokens: 1200 }, costNanoUsd: correction?.cost?.totalNanoUsd }],
      correction: { reason: "dashboard of the provider", requestId: "ticket-1" },
    });
    const caller = { project: "search", key: "root", service: "" };
    await auditRecordLike(stage.gateway, { kind: "usage.corrected", resource: `usage_event/${lost.eventId}`, caller });
  });

  it("is corrected no second time by the same request, nor by another one that does not know of the first", async () => {
    const before = await expectAgreement();
    const again = await cli("correct", lost.eventId, ...address(), ...truer, "--request-id", "ticket-1");
    const correction = (await stage.events()).find(({ correctsEventId }) => correctsEventId === lost.eventId);
    expect(again.stdout).toContain(`\n${correction?.eventId} replaces ${lost.eventId}\n`);
    const other = await cli("correct", lost.eventId, ...address(), "--input-tokens", "1", "--reason", "a guess");
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining(`corrected by ${correction?.eventId}`) });
    const reused = {
      eventId: lost.eventId,
      reason: "other words",
      requestId: "ticket-1",
      usage: { inputTokens: 1200 },
    };
    expect(await failureOf(stage.client.unary(correctUsage, reused, asPlatform))).toEqual({
      code: grpcStatus.ALREADY_EXISTS,
      reason: "REQUEST_ID_REUSED",
    });
    expect(await expectAgreement()).toEqual(before);
  });

  it("is corrected again by its newest event, which then counts alone", async () => {
    const before = await expectAgreement();
    const first = (await stage.events()).find(({ correctsEventId }) => correctsEventId === lost.eventId);
    const request = { eventId: first?.eventId ?? "", reason: "a second look", usage: { inputTokens: 1300 } };
    const { event } = await stage.client.unary(correctUsage, request, asPlatform);
    expect(event).toMatchObject({ correctsEventId: first?.eventId, usage: { inputTokens: 1300, outputTokens: 340 } });
    const after = await expectAgreement();
    expect([after.calls - before.calls, after.input - before.input, after.output - before.output]).toEqual([0, 100, 0]);
  });
});

describe("a price that was wrong", () => {
  it("is put right by the price list of now, with the counts as they were", async () => {
    const event = await called();
    const { inputTokens = 0, outputTokens = 0 } = event.usage ?? {};
    expect(event.cost?.totalNanoUsd).toBe(BigInt(inputTokens * 100 + outputTokens * 1_000));
    const before = await expectAgreement();
    setPrices(50, 500);
    stage.gateway.kill("SIGTERM");
    await stage.gateway.exited;
    await stage.restart();
    const words = ["--reprice", "--reason", "half of it was a mistake"];
    expect(await cli("correct", event.eventId, ...address(), ...words)).toMatchObject({ code: 0 });
    const after = await expectAgreement();
    expect(before.cost - after.cost).toBe(inputTokens * 50 + outputTokens * 500);
    expect({ ...after, cost: 0 }).toEqual({ ...before, cost: 0 });
  });
});

describe("a budget", () => {
  it("is not changed by a correction: it said what may be spent when the call was made", async () => {
    const spent = async () => {
      const { budget } = await stage.client.unary(
        adminBudgets.BudgetService.method.getBudget,
        { budgetId: "of-search" },
        { secret: adminSecret },
      );
      return budget?.spentNanoUsd;
    };
    const event = await called();
    const before = await spent();
    await stage.client.unary(
      correctUsage,
      { eventId: event.eventId, reason: "r", usage: { inputTokens: 90_000_000 } },
      asPlatform,
    );
    expect(await spent()).toBe(before);
  });
});

describe("a gateway that is killed after a correction is on the disk, and before its answer", () => {
  it("has made one correction when it is asked again", async () => {
    const event = await called();
    // Nobody reads this pipe: the record of the act hangs, and with it the answer, though the correction is durable.
    const records = auditRecords(stage.gateway);
    const next = String(records.length + 1).padStart(12, "0");
    stage.gateway.kill("SIGTERM");
    await stage.gateway.exited;
    await stage.restart();
    const pipe = join(auditFolder(stage.gateway), `audit-${next}.jsonl`);
    execFileSync("mkfifo", [pipe]);
    const request = { eventId: event.eventId, reason: "r", usage: { outputTokens: 777 }, requestId: "ticket-2" };
    const cut = stage.client.unary(correctUsage, request, asPlatform).catch(({ code }: ServiceError) => code);
    const made = await eventually(async () =>
      (await stage.events()).find(({ correctsEventId }) => correctsEventId === event.eventId),
    );
    stage.gateway.kill("SIGKILL");
    await stage.gateway.exited;
    expect(await cut).toBe(grpcStatus.UNAVAILABLE);
    rmSync(pipe);
    await stage.restart();

    const { event: answered } = await stage.client.unary(correctUsage, request, asPlatform);
    expect(answered?.eventId).toBe(made.eventId);
    const corrections = (await stage.events()).filter(({ correctsEventId }) => correctsEventId === event.eventId);
    expect(corrections).toHaveLength(1);
    await auditRecordLike(stage.gateway, { kind: "usage.corrected", resource: `usage_event/${event.eventId}` });
    await expectAgreement();
  });
});

describe("a correction over the other protocols", () => {
  it("is the same over Connect in JSON, and refuses what it cannot be", async () => {
    const event = await called();
    const post = (body: object, secret: string) =>
      fetch(`http://127.0.0.1:${stage.gateway.port}/${UsageService.typeName}/CorrectUsage`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${secret}` },
        body: JSON.stringify(body),
      });
    const request = { eventId: event.eventId, reason: "r", usage: { inputTokens: 5 }, validateOnly: true };
    const answer = await post(request, platformSecret);
    const response = fromJson(CorrectUsageResponseSchema, (await answer.json()) as JsonValue);
    expect(response.event).toMatchObject({ eventId: "", correctsEventId: event.eventId, usage: { inputTokens: 5 } });
    expect((await post(request, adminSecret)).status).toBe(403);
    for (const wrong of [
      { reason: "" },
      { eventId: "" },
      { usage: { outputTokens: -1 } },
      { reason: "x".repeat(257) },
    ]) {
      expect((await post({ ...request, ...wrong }, platformSecret)).status).toBe(400);
    }
    expect((await post({ ...request, eventId: "no-such-event" }, platformSecret)).status).toBe(404);
  });
});
