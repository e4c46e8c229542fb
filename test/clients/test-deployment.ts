// A real gateway before the simulator, as a process of its own, for the clients of every kind.
import { startSimulator } from "../../src/simulator/start-simulator.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";

export type Deployment = {
  readonly gateway: GatewayProcess;
  readonly simulator: Awaited<ReturnType<typeof startSimulator>>;
  readonly stop: () => Promise<void>;
};

export async function startDeployment(): Promise<Deployment> {
  const simulator = await startSimulator();
  const gateway = await startGateway({ yaml: yamlFor(simulator.url) });
  const stop = async () => {
    await stopGateways();
    await simulator.close();
  };
  return { gateway, simulator, stop };
}

function yamlFor(url: string): string {
  const model = (id: string, name: string, provider = "sim") =>
    `  - { id: ${id}, targets: [{ provider: ${provider}, model: "${name}" }], retry: { max_attempts: 1 } }`;
  return `
providers:
  - { id: sim, kind: openai, base_url: "${url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
  - { id: claude, kind: anthropic, base_url: "${url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
${model("small", "sim-small")}
${model("small-claude", "sim-small", "claude")}
${model("long", "sim-tokens-200+pace-20ms")}
${model("cut", "sim-tokens-20+cut-after-5")}
${model("limited", "sim-fail-429-retry-after-2")}
${model("refused", "sim-fail-400")}
${model("slow", "sim-slow-first-token-5000")}
usage: { journal: { durability: os } }
`;
}
