// A limit on concurrency over two gateways: what providers see at once is never more than it, and one that ends leaves its
// share to the other.
import { afterAll, beforeAll, expect, it } from "vitest";
import { InferenceService } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually } from "./stage.ts";

const limit = 4;

let nats: NatsServer;
let simulator: Simulator;
const gateways: { readonly process: GatewayProcess; readonly client: TestClient }[] = [];

beforeAll(async () => {
  nats = await startNats();
  simulator = await startSimulator();
  for (const name of ["one", "two"]) {
    const process = await startGateway({
      env: { LLM_GATEWAY_INSTANCE: name },
      yaml: `
providers: [{ id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }]
models: [{ id: stalls, targets: [{ provider: sim, model: sim-silent }] }]
limits: [{ scope: project/search, concurrency: ${limit} }]
cluster: { nats: { servers: ["${nats.url}"] } }
usage: { journal: { durability: os } }
`,
    });
    gateways.push({ process, client: new TestClient(process.port) });
  }
});

afterAll(async () => {
  for (const { client } of gateways) client.close();
  await stopGateways();
  await simulator?.close();
  await nats?.stop();
});

const limited = { reason: "CONCURRENCY_LIMITED" };

/** A call that goes on until it is let go. */
function begin(client: TestClient, signal: AbortSignal): Promise<unknown> {
  return client.unary(InferenceService.method.complete, ask("stalls"), { signal });
}

it("calls at once are as many as the limit says, over both", async () => {
  const over = new AbortController();
  const ended: Promise<unknown>[] = [];
  const [one, two] = gateways.map(({ client }) => client);
  if (one === undefined || two === undefined) throw new Error("two gateways are there");
  // Each has its half once the other has seen it.
  for (const client of [one, one, two, two]) ended.push(begin(client, over.signal).catch(() => {}));
  await eventually(() => (simulator.open === limit ? true : undefined));
  for (const client of [one, two]) expect(await failureOf(begin(client, over.signal))).toMatchObject(limited);
  expect(simulator.open).toBe(limit);
  over.abort();
  await Promise.all(ended);
  await eventually(() => (simulator.open === 0 ? true : undefined));
});

it("one that ends leaves its share to the other", async () => {
  const [one, two] = gateways;
  if (one === undefined || two === undefined) throw new Error("two gateways are there");
  two.process.kill("SIGTERM");
  await two.process.exited;
  const over = new AbortController();
  const ended: Promise<unknown>[] = [];
  await eventually(async () => {
    ended.push(begin(one.client, over.signal).catch(() => {}));
    await new Promise((resolve) => setTimeout(resolve, 50));
    return simulator.open === limit ? true : undefined;
  });
  expect(await failureOf(begin(one.client, over.signal))).toMatchObject(limited);
  over.abort();
  await Promise.all(ended);
});
