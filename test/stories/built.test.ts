// The program as `npm run build` makes it, where a file that is loaded by its address could be missing: the threads, the
// workers, the price lists, the packages that are not part of it.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { buildProgram } from "../../scripts/build-program.ts";
import { InferenceService, UsageDimension, UsageService } from "../../src/contract.ts";
import { startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually } from "./stage.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const cache = join(import.meta.dirname, "../../.cache");
let folder: string;
let program: string;
let nats: NatsServer;

beforeAll(async () => {
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, "built-")); // Below the repository, where packages are found.
  await buildProgram(folder);
  program = join(folder, "llm-gateway.js");
  nats = await startNats();
});

afterAll(async () => {
  await stopGateways();
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

it("serves with workers, prices a call, answers for it and publishes it", async () => {
  const gateway = await startGateway({
    program,
    yaml: `
providers: [{ id: sim, kind: simulator }]
models: [{ id: chat, targets: [{ provider: sim, model: sim-tokens-3 }] }]
rules: [{ id: other, when: "request.model == 'other'", model: chat }]
usage: { nats: { servers: ["${nats.url}"], stream: USAGE, subject_prefix: llmgateway } }`,
    args: ["--workers", "2"],
  });
  execFileSync(process.execPath, [program, "nats", "setup", "--config", join(gateway.folder, "gateway.yaml")]);
  const client = new TestClient(gateway.port);
  const { cost } = await client.unary(InferenceService.method.complete, ask("chat"));
  expect(cost?.totalNanoUsd).toBeGreaterThan(0n);
  const { rows } = await client.unary(UsageService.method.queryUsage, {
    filter: {},
    groupBy: [UsageDimension.MODEL],
  });
  expect(rows.map(({ costNanoUsd }) => costNanoUsd)).toEqual([cost?.totalNanoUsd]);
  const connection = await connect({ servers: nats.url });
  const { streams } = await jetstreamManager(connection);
  await eventually(async () => ((await streams.info("USAGE")).state.messages === 1 ? true : undefined));
  await connection.close();
  client.close();
});

it("has the prices of real models", async () => {
  const yaml = `
providers: [{ id: main, kind: openai, credentials: { api_key: { env: TEST_PROVIDER_KEY } } }]
models: [{ id: chat, targets: [{ provider: main, model: gpt-4.1-mini }] }]`;
  const gateway = await startGateway({ program, yaml });
  const client = new TestClient(gateway.port);
  const { targets } = await client.unary(InferenceService.method.explain, { request: ask("chat") });
  expect(targets[0]?.expectedCostNanoUsd).toBeGreaterThan(0n);
  client.close();
});

it("has the other commands", () => {
  const run = (...words: string[]) => execFileSync(process.execPath, [program, ...words], { encoding: "utf8" });
  expect(run("simulate", "--help")).toContain("sim-tokens");
  expect(run("keys", "create", "--project", "search")).toContain("sha256:");
});
