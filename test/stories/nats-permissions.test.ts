// The permissions that docs/operations.md gives the gateway's NATS user are enough for a whole cluster, and no more.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, nkeyAuthenticator, nkeys } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CacheStatus, InferenceService } from "../../src/contract.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { startGateway } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually, Stage } from "./stage.ts";

const { complete } = InferenceService.method;
const operator = nkeys.createUser();
const gateway = nkeys.createUser();
const seedOf = (pair: typeof operator): string => new TextDecoder().decode(pair.getSeed());

let nats: NatsServer;
let stage: Stage;

beforeAll(async () => {
  const docs = readFileSync(join(import.meta.dirname, "../../docs/operations.md"), "utf8");
  const [, block = ""] = /```nats\n([\s\S]*?)```/.exec(docs) ?? [];
  const config = block
    .replace("OPERATOR_NKEY", operator.getPublicKey())
    .replace("GATEWAY_NKEY", gateway.getPublicKey());
  nats = await startNats({ config });
  await setUpStream({ access: { servers: [nats.url], nkeySeed: seedOf(operator) } });
  const connection = await connectAs(operator);
  const buckets = new Kvm(connection);
  for (const name of [
    "llmgateway_accounts",
    "llmgateway_windows",
    "llmgateway_objects",
    "llmgateway_calls",
    "llmgateway_outcomes",
    "llmgateway_instances",
  ]) {
    await buckets.create(name, { history: 1 });
  }
  await connection.close();
  const servers = `servers: ["${nats.url}"], nkey: { env: NATS_NKEY }, inbox_prefix: _INBOX_gateway`;
  stage = await Stage.open({
    models: { small: ["sim/sim-small"], slow: ["sim/sim-slow-first-token-500"] },
    env: { NATS_NKEY: seedOf(gateway) },
    yaml: `
usage: { journal: { durability: os }, nats: { ${servers}, stream: USAGE, subject_prefix: llmgateway } }
cluster: { nats: { ${servers} } }
budgets: [{ scope: project/search, period: total, hard_usd: 1 }]
limits: [{ scope: project/search, requests_per_minute: 1000 }]
`,
  });
});

afterAll(async () => {
  await stage?.close();
  await nats?.stop();
});

const connectAs = (pair: typeof operator) =>
  connect({ servers: nats.url, authenticator: nkeyAuthenticator(pair.getSeed()) });

describe("the NATS user of a gateway", () => {
  it("can publish events and keep limits, budgets and keys", async () => {
    for (let call = 0; call < 5; call += 1) await stage.complete(ask("small", `call ${call}`));
    await eventually(async () => ((await stage.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(1);
    expect(stage.gateway.lines.filter((line) => /permission|cannot be|refuse/i.test(line))).toEqual([]);
  });

  it("can share calls with another replica", async () => {
    const twin = await startGateway({ yaml: stage.yaml, env: { NATS_NKEY: seedOf(gateway) } });
    const client = new TestClient(twin.port);
    const request = { ...ask("slow", "for two"), requestId: "permitted" };
    const answers = await Promise.all([stage.complete(request), client.unary(complete, request)]);
    expect(answers.filter((one) => one.responseCacheStatus === CacheStatus.COALESCED)).toHaveLength(1);
    const again = await client.unary(complete, request);
    expect(new Set([...answers, again].map(({ responseId }) => responseId)).size).toBe(1);
    for (const { lines } of [twin, stage.gateway]) {
      expect(lines.filter((line) => /permission|cannot be/i.test(line))).toEqual([]);
    }
    client.close();
  });

  it("can neither read nor delete what it has published", async () => {
    const connection = await connectAs(gateway);
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 500 });
    await expect(manager.streams.purge("USAGE")).rejects.toThrow();
    await expect(manager.streams.delete("USAGE")).rejects.toThrow();
    await expect(manager.streams.getMessage("USAGE", { seq: 1 })).rejects.toThrow();
    await expect(manager.consumers.add("USAGE", { durable_name: "spy" })).rejects.toThrow();
    await connection.close();
  });
});
