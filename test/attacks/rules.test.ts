// Rules that would not end: refused with the file, or bounded whatever callers send.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InferenceService, Role } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";

let simulator: Simulator;
let folder: string;

beforeAll(async () => {
  simulator = await startSimulator();
  folder = mkdtempSync(join(tmpdir(), "rules-"));
});

afterAll(async () => {
  await stopGateways();
  await simulator?.close();
  rmSync(folder, { recursive: true, force: true });
});

function yamlWith(when: string): string {
  return `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models: [{ id: small, targets: [{ provider: sim, model: sim-small }] }]
rules: [{ id: endless, when: ${JSON.stringify(when)}, model: small }]
usage: { journal: { durability: os } }
`;
}

const nested = (depth: number): string => (depth === 0 ? "false" : `labels.exists(v${depth}, ${nested(depth - 1)})`);

describe("a rule", () => {
  it.each([
    ["of loops in loops in loops", nested(3)],
    ["of more parts than anybody reads", Array.from({ length: 2_000 }, () => "true").join(" && ")],
    ["longer than any rule", `labels['x'] == "${"x".repeat(10_000)}"`],
  ])("%s is refused when the file is checked", (_, when) => {
    const file = join(folder, "gateway.yaml");
    writeFileSync(file, yamlWith(when));
    const run = spawnSync(process.execPath, ["src/main.ts", "check", "--config", file], { encoding: "utf8" });
    expect(run.status).toBe(1);
    expect(run.stderr + run.stdout).toContain("rules");
  });

  it.each([
    ["of two loops", nested(2)],
    ["with a pattern that explodes", "labels.exists(l, labels[l].matches('^(a|a)*(a+)+$'))"],
  ])("%s answers also the caller who feeds it the worst", async (_, when) => {
    const gateway = await startGateway({ yaml: yamlWith(when) });
    const client = new TestClient(gateway.port);
    const labels = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`l${index}`, `${"a".repeat(255)}b`]));
    const content = { case: "text" as const, value: { text: "Hi." } };
    const messages = [{ role: Role.USER, parts: [{ content }] }];
    const calls = Array.from({ length: 20 }, () =>
      client.unary(InferenceService.method.complete, { model: "small", messages, labels }, { deadlineMs: 10_000 }),
    );
    expect(await Promise.all(calls)).toHaveLength(20);
    client.close();
  });
});
