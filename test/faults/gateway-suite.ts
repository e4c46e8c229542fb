// The whole gateway under the crash suite: callers call it, it calls a provider, and it is killed at random instants. Each
// answer that a caller has received must have its event, with the tokens that the provider reported.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { BillingDatabase } from "../../examples/billing-consumer/billing-database.ts";
import { consumeUsage } from "../../examples/billing-consumer/consume-usage.ts";
import { InferenceService, Role } from "../../src/contract.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { startNats } from "../nats-server.ts";
import { startGateway } from "./child.ts";
import { type Counted, count, lastLife, type Promises } from "./verdict.ts";

export type GatewaySuiteOptions = {
  readonly rounds: number;
  readonly random: () => number;
  readonly say: (line: string) => void;
};

const callersAtOnce = 32;
const startTimeoutMs = 30_000;
const secret = "faults-secret";
const authorization = `Bearer ${secret}`;
const digest = createHash("sha256").update(secret).digest("hex");

export async function runGatewaySuite(options: GatewaySuiteOptions): Promise<Counted> {
  const folder = await mkdtemp(join(tmpdir(), "faults-gateway-"));
  const [server, provider, port] = [await startNats(), await startProvider(), await freePort()];
  const abort = new AbortController();
  const databasePath = join(folder, "billing.sqlite");
  const database = new BillingDatabase(databasePath);
  try {
    await setUpStream({ access: { servers: [server.url] }, ackWaitMs: 2_000 });
    const configFile = join(folder, "gateway.yaml");
    await writeFile(configFile, configOf(port, portOf(provider), server.url));
    const nats = { servers: server.url, reconnectTimeWait: 100 };
    const consuming = consumeUsage({ nats, database, signal: abort.signal });
    const promises: Promises = new Map();
    for (let round = 0; round < options.rounds; round += 1) {
      if (round % 3 === 1) await server.kill();
      await oneLife(configFile, port, promises, options.random);
      if (round % 3 === 1) await server.restart();
      options.say(`round ${round + 1}: ${promises.size} answers so far`);
    }
    const sums = await lastLife(join(folder, "data"), server.url);
    const counted = await count(server.url, databasePath, promises, sums, (event) => event.responseId);
    abort.abort();
    await consuming;
    return counted;
  } finally {
    abort.abort();
    database.close();
    provider.close();
    provider.closeAllConnections();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function oneLife(configFile: string, port: number, promises: Promises, random: () => number): Promise<void> {
  const gateway = startGateway(configFile, { FAULTS_PROVIDER_KEY: "unused" });
  const origin = `http://127.0.0.1:${port}`;
  await ready(origin);
  let over = false;
  const client = new TestClient(port);
  const callers = Array.from({ length: callersAtOnce }, async (_, index) => {
    while (!over) await (index % 2 === 0 ? callOnce(origin, promises) : streamOnce(client, promises));
  });
  await wait(300 + random() * 700);
  await gateway.kill();
  over = true;
  await Promise.all(callers);
  client.close();
}

async function ready(origin: string): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    const answer = await fetch(`${origin}/livez`).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok === true) return;
    if (performance.now() > deadline) throw new Error("the gateway does not start");
    await wait(50);
  }
}

/** A whole answer is a promise of an event; anything else promises nothing. */
async function callOnce(origin: string, promises: Promises): Promise<void> {
  const body = JSON.stringify({
    model: "chat",
    messages: [{ role: "ROLE_USER", parts: [{ text: { text: "hello" } }] }],
  });
  try {
    const headers = { "content-type": "application/json", authorization };
    const answer = await fetch(`${origin}/llmgateway.v1.InferenceService/Complete`, { method: "POST", headers, body });
    const message: unknown = await answer.json();
    if (!answer.ok || typeof message !== "object" || message === null) return;
    if (!("responseId" in message && "usage" in message)) return;
    const { responseId, usage } = message;
    if (typeof usage !== "object" || usage === null || !("outputTokens" in usage)) return;
    promises.set(String(responseId), Number(usage.outputTokens));
  } catch {
    await wait(20); // The gateway has died under the call.
  }
}

/** A stream that has begun has an event, and one that has completed has it with the provider's counts. */
async function streamOnce(client: TestClient, promises: Promises): Promise<void> {
  const parts = [{ content: { case: "text" as const, value: { text: "hello" } } }];
  const request = { model: "chat", messages: [{ role: Role.USER, parts }] };
  const start = { case: "request", value: request } as const;
  const { messages, error } = await collect(
    client.stream(InferenceService.method.streamComplete, { start }, { secret }),
  );
  const first = messages[0]?.event;
  if (first?.case === "started" && !promises.has(first.value.responseId)) {
    promises.set(first.value.responseId, undefined);
  }
  const last = messages.at(-1)?.event;
  if (last?.case === "completed" && last.value.response !== undefined) {
    promises.set(last.value.response.responseId, last.value.response.usage?.outputTokens);
  }
  if (error !== undefined) await wait(20); // The gateway has died under the call.
}

/** Answers chat completions after a few milliseconds, each with another number of tokens. */
async function startProvider(): Promise<Server> {
  let answers = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes) => {
      body += String(bytes);
    });
    request.on("end", () => {
      answers += 1;
      const usage = { prompt_tokens: 9, completion_tokens: 1 + (answers % 97), total_tokens: 10 + (answers % 97) };
      const afterMs = answers % 11;
      setTimeout(() => {
        if (body.includes('"stream":true')) streamAnswer(response, answers, usage);
        else sendAnswer(response, answers, usage);
      }, afterMs);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

type ProviderUsage = {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
};

const factsOf = (answer: number) => ({ id: `chatcmpl-${answer}`, created: 1_764_000_000, model: "small" });

function sendAnswer(response: ServerResponse, answer: number, usage: ProviderUsage): void {
  const choices = [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }];
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ ...factsOf(answer), object: "chat.completion", choices, usage }));
}

/** In three pieces, with a pause in which the gateway may die. */
function streamAnswer(response: ServerResponse, answer: number, usage: ProviderUsage): void {
  const send = (facts: object): void => {
    response.write(`data: ${JSON.stringify({ ...factsOf(answer), object: "chat.completion.chunk", ...facts })}\n\n`);
  };
  response.setHeader("content-type", "text/event-stream");
  send({ choices: [{ index: 0, delta: { role: "assistant", content: "hel" } }] });
  setTimeout(() => {
    send({ choices: [{ index: 0, delta: { content: "lo" }, finish_reason: "stop" }] });
    send({ choices: [], usage });
    response.end("data: [DONE]\n\n");
  }, answer % 7);
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the provider does not listen");
  return address.port;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const port = portOf(probe);
  probe.close();
  await once(probe, "close");
  return port;
}

function configOf(port: number, providerPort: number, natsUrl: string): string {
  return `
server: { listen: "127.0.0.1:${port}" }
data_dir: ./data
providers:
  - id: provider
    kind: openai
    base_url: http://127.0.0.1:${providerPort}
    credentials: { api_key: { env: FAULTS_PROVIDER_KEY } }
models: [{ id: chat, targets: [{ provider: provider, model: small }] }]
tenants:
  organisations: [{ id: acme }]
  teams: [{ id: platform, organisation: acme }]
  projects: [{ id: search, team: platform }]
keys: [{ id: caller, project: search, digest: "sha256:${digest}", roles: [inference, usage], models: ["*"] }]
usage:
  nats: { servers: ["${natsUrl}"], stream: USAGE, subject_prefix: llmgateway }
`;
}
