import { hash } from "node:crypto";

export const neighbourSecrets = { quiet: "quiet-tenant", noisy: "noisy-tenant" } as const;

type Tenant = keyof typeof neighbourSecrets;

/** Two tenants, each with a provider of its own, on one gateway: `noisy` may make few calls a minute, and sends many. */
export function neighbourConfig(simulators: Readonly<Record<Tenant, string>>): string {
  const key = (id: Tenant) =>
    `  - { id: ${id}, project: ${id}, digest: "sha256:${hash("sha256", neighbourSecrets[id], "hex")}", models: ["*"] }`;
  const provider = (id: Tenant) => `
  - id: ${id}
    kind: openai
    base_url: ${simulators[id]}
    credentials: { api_key: { env: BENCH_PROVIDER_KEY } }
    max_connections: 1024
    timeouts: { idle: 10m, total: 1h }`;
  return `
server: { listen: 127.0.0.1:0 }
data_dir: ./data
providers:${provider("quiet")}${provider("noisy")}
models:
  - { id: small, targets: [{ provider: quiet, model: sim-small }] }
  - { id: limited, targets: [{ provider: noisy, model: sim-small }] }
  - { id: long, targets: [{ provider: noisy, model: sim-tokens-20000 }] }
tenants: { projects: [{ id: quiet }, { id: noisy }] }
keys:
${key("quiet")}
${key("noisy")}
limits:
  - { scope: project/quiet, requests_per_minute: 1000000, concurrency: 1000 }
  - { scope: project/noisy, requests_per_minute: 600, concurrency: 400 }
budgets:
  - { id: of-quiet, scope: project/quiet, period: month, hard_usd: 100000 }
  - { id: of-noisy, scope: project/noisy, period: month, hard_usd: 100000 }
usage:
  journal: { durability: os }
`;
}
