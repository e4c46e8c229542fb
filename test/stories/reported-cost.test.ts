// A provider that says what its answers cost: its word stands beside our price in the answer, the event, the sums and on the
// metrics page, and changes no bill.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { UsageDimension, UsageService } from "../../src/contract.ts";
import { ask, eventually, Stage } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-reported-"));
let provider: Server;
let stage: Stage;

/** 1,000 tokens in and 100 out, for 0.0044 USD by its own account; by our prices they are 0.0040. */
const answer = {
  id: "gen-1",
  object: "chat.completion",
  model: "vendor/model",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Hello." } }],
  usage: { prompt_tokens: 1_000, completion_tokens: 100, total_tokens: 1_100, cost: 0.0044, is_byok: false },
};

beforeAll(async () => {
  provider = createServer((request, response) => {
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  }).listen(0, "127.0.0.1");
  await once(provider, "listening");
  const address = provider.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const prices = join(folder, "prices.yaml");
  writeFileSync(prices, '- { provider: router, model: "vendor-model", input: 3000000000, output: 10000000000 }\n');
  stage = await Stage.open({
    models: { small: ["router/vendor-model"], plain: ["sim/sim-small"] },
    providers: `  - { id: router, kind: openai-compatible, base_url: "${url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }\n`,
    yaml: `prices: { overrides: "${prices}" }\nusage: { journal: { durability: os } }\n`,
  });
});
afterAll(async () => {
  await stage?.close();
  provider?.close();
  rmSync(folder, { recursive: true, force: true });
});

it("is billed by our price, and what it reports stands beside it everywhere", async () => {
  const response = await stage.complete(ask("small"));
  const both = { totalNanoUsd: 4_000_000n, reportedNanoUsd: 4_400_000n, comparedNanoUsd: 4_000_000n };
  expect(response.cost).toMatchObject(both);
  const event = await stage.eventOfModel("small");
  expect(event.cost).toMatchObject(both);
  expect(event.attempts).toMatchObject([{ costNanoUsd: 4_000_000n, reportedCostNanoUsd: 4_400_000n }]);

  await stage.complete(ask("plain"));
  const silent = await stage.eventOfModel("plain");
  expect(silent.cost?.reportedNanoUsd).toBeUndefined();
  const { rows } = await stage.client.unary(UsageService.method.queryUsage, {
    filter: {},
    groupBy: [UsageDimension.PROVIDER],
  });
  expect(rows.map((row) => [row.dimensions["provider"], row.reportedCostNanoUsd, row.comparedCostNanoUsd])).toEqual([
    ["openai", 0n, 0n],
    ["router", 4_400_000n, 4_000_000n],
  ]);
  const page = await eventually(async () => {
    const text = await (await fetch(`http://127.0.0.1:${stage.gateway.port}/metrics`)).text();
    return text.includes("llmgateway_reported_cost_nano_usd_total{") ? text : undefined;
  });
  const labels = 'provider="router",model="vendor-model"';
  expect(page).toContain(`llmgateway_reported_cost_nano_usd_total{${labels}} 4400000\n`);
  expect(page).toContain(`llmgateway_compared_cost_nano_usd_total{${labels}} 4000000\n`);
});
