// What a start loads: the code of what its config names. A start is mostly loading, and modules creep in unseen.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";

const folder = mkdtempSync(join(tmpdir(), "start-"));
afterEach(stopGateways);
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the address of each module that the main thread loads into a file. */
const recorder = `
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { isMainThread } from "node:worker_threads";
if (isMainThread) registerHooks({
  load(url, context, next) { appendFileSync(process.env.LOADED_MODULES, url + "\\n"); return next(url, context); },
});`;

async function modulesOf(name: string, yaml: string): Promise<readonly string[]> {
  const file = join(folder, name);
  const gateway: GatewayProcess = await startGateway({
    yaml,
    env: {
      LOADED_MODULES: file,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(recorder)}`,
    },
  });
  gateway.kill("SIGTERM");
  await gateway.exited;
  const urls = new Set(readFileSync(file, "utf8").split("\n"));
  return [...urls].map((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url);
}

const provider = (settings: string) => `
providers: [{ id: main, ${settings}, credentials: { api_key: { env: TEST_PROVIDER_KEY } } }]
models: [{ id: chat, targets: [{ provider: main, model: some-model }] }]`;

const lazyPackages = [
  "@bufbuild/cel",
  "@grpc/grpc-js",
  "@nats-io/transport-node",
  "@smithy/signature-v4",
  "google-auth-library",
  "gpt-tokenizer",
  "jose",
];
const lazyFolders = [
  "src/simulator",
  "src/providers/anthropic",
  "src/providers/bedrock",
  "src/providers/cohere",
  "src/providers/gemini",
  "src/providers/mistral",
  "src/providers/ollama",
  "src/providers/vertex",
  "src/ledger/publisher/publisher",
  "src/cli/workers/serve-workers",
];

function lazyOf(modules: readonly string[]): readonly string[] {
  const folders = lazyFolders.filter((part) => modules.some((module) => module.includes(`/${part}`)));
  return [...lazyPackages.filter((name) => modules.includes(name)), ...folders];
}

describe("a start", () => {
  it("loads no provider, package or command that its config does not name", async () => {
    const modules = await modulesOf("minimal", provider("kind: openai"));
    expect(modules.some((module) => module.endsWith("/src/providers/openai/index.ts"))).toBe(true);
    expect(modules).toContain("undici");
    expect(lazyOf(modules)).toEqual([]);
  });

  it("loads what its config names", async () => {
    // Bedrock hosts the models of Anthropic.
    const rule = `rules: [{ id: cheap, when: "request.model == 'other'", model: chat }]`;
    const modules = await modulesOf("more", `${provider("kind: bedrock, region: us-east-1")}\n${rule}`);
    expect(lazyOf(modules)).toEqual([
      "@bufbuild/cel",
      "@smithy/signature-v4",
      "src/providers/anthropic",
      "src/providers/bedrock",
    ]);
  });
});
