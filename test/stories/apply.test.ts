// Objects in files: what `llm-gateway apply` shows, does, and leaves alone, against a real gateway.
import { hash } from "node:crypto";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommandIo } from "../../src/cli/command-io.ts";
import { runProgram } from "../../src/cli/program.ts";
import { adminKeys, InferenceService, Role } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor, platformSecret } from "../admin-keys.ts";
import { auditFolder } from "../audit-records.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;
let folder: string;

beforeAll(async () => {
  simulator = await startSimulator();
  folder = mkdtempSync(join(tmpdir(), "apply-"));
  gateway = await startGateway({
    keys: keysFor(),
    yaml: `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models: [{ id: small, targets: [{ provider: sim, model: sim-small }] }]
usage: { journal: { durability: os } }
`,
  });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(...words: readonly string[]) {
  const written = { out: "", err: "" };
  const io: CommandIo = {
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
    isTerminal: false,
    environment: { LLM_GATEWAY_KEY: platformSecret },
    nowMs: () => Date.now(),
    signal: new AbortController().signal,
  };
  return { code: await runProgram(["node", "llm-gateway", ...words], io), ...written };
}

function apply(yaml: string, ...words: readonly string[]) {
  const file = join(folder, "objects.yaml");
  writeFileSync(file, yaml);
  return run("apply", "--file", file, "--address", `127.0.0.1:${gateway.port}`, ...words);
}

function ask(model: string) {
  const content = { case: "text" as const, value: { text: "Hi." } };
  return { model, messages: [{ role: Role.USER, parts: [{ content }] }] };
}

const complete = InferenceService.method.complete;

function objects(secret: string, limit = 100): string {
  return `
budgets:
  - { budget_id: monthly, limit_nano_usd: 1000000000000, period: BUDGET_PERIOD_MONTH, notify_percents: [80, 100] }
routes:
  - { route_id: chat, targets: [{ target_id: a, provider: sim, provider_model: sim-fail-500 }], fallback_route_ids: [spare] }
  - { route_id: spare, targets: [{ target_id: b, provider: sim, provider_model: sim-small }] }
keys:
  - key_id: search-app
    project_id: search
    secret_sha256: ${hash("sha256", secret, "hex")}
    allowed_models: [chat]
    budget_ids: [monthly]
    labels: { app: search }
    allowed_providers: [sim]
    allowed_input_modalities: [MODALITY_TEXT]
    max_output_tokens: 1000
    rate_limits: [{ unit: RATE_LIMIT_UNIT_REQUESTS, limit: ${limit}, window_seconds: 60 }]
`;
}

describe("llm-gateway apply", () => {
  it("says what would change, changes nothing, and fails when it is only asked", async () => {
    const asked = await apply(objects("first-secret"), "--dry-run");
    expect(asked.code).toBe(1);
    expect(asked.out).toContain('+ budget/monthly\n    limit_nano_usd: "1000000000000"');
    expect(asked.out).toContain("+ key/search-app");
    expect(asked.out).toContain("4 to create, 0 to change, 0 as they should be");
    expect((await failureOf(client.unary(complete, ask("chat"), { secret: "first-secret" }))).reason).toBe(
      "CREDENTIALS_INVALID",
    );
  });

  it("makes everything, in an order that works, and nothing the second time", async () => {
    const done = await apply(objects("first-secret"));
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).not.toContain("llmg_");
    await client.unary(complete, ask("chat"), { secret: "first-secret" });
    const again = await apply(objects("first-secret"), "--dry-run");
    expect(again).toMatchObject({ code: 0, out: "0 to create, 0 to change, 4 as they should be\n" });
  });

  it("changes what differs, shows both values, and lets the old secret go on for a while", async () => {
    const asked = await apply(objects("second-secret", 200), "--dry-run");
    expect(asked.out).toContain("~ key/search-app");
    expect(asked.out).toMatch(/rate_limits: \[.*"100".*\] → \[.*"200".*\]/);
    expect(asked.out).toMatch(/secret: "sha256:\w{8}" → "sha256:\w{8}"/);
    expect((await apply(objects("second-secret", 200))).code).toBe(0);
    await client.unary(complete, ask("chat"), { secret: "first-secret" });
    await client.unary(complete, ask("chat"), { secret: "second-secret" });
    expect((await apply(objects("second-secret", 200), "--dry-run")).code).toBe(0);
  });

  it("tells the secret of a key that it lets the gateway make, once", async () => {
    const done = await apply("keys: [{ key_id: search-made, project_id: search }]");
    const secret = /llmg_\S+/.exec(done.out)?.[0] ?? "";
    await client.unary(complete, ask("small"), { secret });
    expect((await apply("keys: [{ key_id: search-made, project_id: search }]")).out).not.toContain("llmg_");
  });

  it.each([
    ["a field that there is not", "keys: [{ key_id: a, colour: red }]", /keys\[0\].*colour/],
    ["no id", "budgets: [{ limit_nano_usd: 1 }]", /budgets\[0\] needs an id/],
    ["one id twice", "keys: [{ key_id: a }, { key_id: a }]", /keys\[1\]: a stands twice/],
    ["another section", "prompts: []", /prompts/],
    ["no YAML", "keys: [", /YAML/],
  ])("refuses a file with %s, by name", async (_, yaml, message) => {
    const refused = await apply(yaml, "--dry-run");
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(message);
  });

  it("says what the gateway refuses", async () => {
    const refused = await apply("keys: [{ key_id: search-bad, project_id: search, budget_ids: [nothing] }]");
    expect(refused.code).toBe(2);
    const unknown = await apply("keys: [{ key_id: a }]", "--key", "wrong");
    expect(unknown).toMatchObject({ code: 2 });
    expect(unknown.err).toContain("does not know this key");
  });
});

describe("a secret that its owner has made", () => {
  it("cannot be that of another key", async () => {
    const secretSha256 = hash("sha256", adminSecret, "hex");
    const stolen = client.unary(
      adminKeys.KeyService.method.createKey,
      { key: {}, secretSha256 },
      { secret: adminSecret },
    );
    expect((await failureOf(stolen)).reason).toBe("CONFLICT");
  });
});

describe("llm-gateway audit verify", () => {
  it("finds the log of all that unbroken, and one that was touched not", async () => {
    gateway.kill("SIGTERM");
    await gateway.exited;
    const dir = auditFolder(gateway);
    const good = await run("audit", "verify", "--dir", dir);
    expect(good).toMatchObject({ code: 0 });
    expect(good.out).toMatch(/^\d+ records in 1 files, unbroken\nlast record: \d+ \w{64}\n$/);
    appendFileSync(join(dir, readdirSync(dir)[0] ?? ""), "{}\n");
    expect(await run("audit", "verify", "--dir", dir)).toMatchObject({ code: 1 });
    expect((await run("audit", "verify", "--dir", folder)).code).toBe(1);
  });
});
