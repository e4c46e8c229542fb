import { hash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const benchSecret = "bench-secret";

/** Name under which the gateway offers a model of the simulator: ids have no "+". */
export function gatewayModel(simulated: string): string {
  return simulated.replaceAll("+", ".");
}

export type BenchConfigOptions = {
  readonly folder: string;
  readonly simulator: string;
  /** `undefined`: no NATS. */
  readonly nats: string | undefined;
  readonly durability: string;
};

/** The operator's file of the bench: everything on, and limits that are never reached. Gives its path. */
export function writeBenchConfig(options: BenchConfigOptions): string {
  const models = ["sim-small", "sim-tokens-64", "sim-tokens-64+pace-20ms"];
  const text = `
server: { listen: 127.0.0.1:0 }
data_dir: ./data
providers:
  - { id: openai, kind: openai, base_url: ${options.simulator}, credentials: { api_key: { env: BENCH_PROVIDER_KEY } }, max_connections: 1024 }
models:
${models.map((model) => `  - { id: ${gatewayModel(model)}, targets: [{ provider: openai, model: ${model} }] }`).join("\n")}
tenants:
  organisations: [{ id: acme }]
  teams: [{ id: platform, organisation: acme }]
  projects: [{ id: search, team: platform }]
keys:
  - { id: bench, project: search, digest: "sha256:${hash("sha256", benchSecret, "hex")}", roles: [inference, usage], models: ["*"] }
limits:
  - { scope: project/search, requests_per_minute: 100000000, tokens_per_minute: 100000000000, concurrency: 100000 }
budgets:
  - { scope: team/platform, period: month, hard_usd: 100000000 }
usage:
  journal: { durability: ${options.durability}, retain: 1h, max_bytes: 4GiB }
${options.nats === undefined ? "" : `  nats: { servers: [${options.nats}], stream: USAGE, subject_prefix: llmgateway }`}
telemetry: { log: { level: info } }
`;
  const file = join(options.folder, "gateway.yaml");
  writeFileSync(file, text);
  return file;
}
