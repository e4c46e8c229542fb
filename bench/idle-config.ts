import { hash } from "node:crypto";
import { benchSecret } from "./config.ts";

/** The operator's file for streams that wait: everything on, as in `config.ts`, and nobody's patience ends. */
export function idleConfig(simulator: string, streamsMax: number): string {
  return `
server: { listen: 127.0.0.1:0 }
data_dir: ./data
providers:
  - id: openai
    kind: openai
    base_url: ${simulator}
    credentials: { api_key: { env: BENCH_PROVIDER_KEY } }
    max_connections: ${streamsMax}
    timeouts: { first_token: 10m, idle: 30m, total: 1h }
models:
  - { id: idle, targets: [{ provider: openai, model: "sim-tokens-64+stall-after-2" }] }
tenants: { projects: [{ id: search }] }
keys:
  - { id: bench, project: search, digest: "sha256:${hash("sha256", benchSecret, "hex")}", roles: [inference, usage], models: ["*"] }
limits:
  - { scope: project/search, requests_per_minute: 100000000, tokens_per_minute: 100000000000, concurrency: 100000 }
budgets:
  - { scope: project/search, period: month, hard_usd: 100000000 }
usage:
  journal: { durability: os }
`;
}
