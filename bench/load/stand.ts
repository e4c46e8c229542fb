// What every bench sets up: the simulator as the provider on the load's core, and the gateway alone on its own.
import { type Child, startNode } from "./children.ts";

export const gatewayCore = 0;
export const loadCore = 1;
const providerKey = { BENCH_PROVIDER_KEY: "bench-provider-key" };

/** As `env` of a gateway that a bench starts by itself. */
export const gatewayEnv: NodeJS.ProcessEnv = { ...process.env, ...providerKey };

export function startSimulatorChild(isLast = false): Promise<Child> {
  return startNode({ name: "simulator", core: loadCore, isLast, args: ["bench/simulator.ts"] });
}

export type GatewayChildOptions = {
  /** Path of the operator's file. */
  readonly config: string;
  readonly name?: string | undefined;
  /** Flags for node. */
  readonly nodeArgs?: readonly string[] | undefined;
  /** Options of `serve` beside `--config`. */
  readonly args?: readonly string[] | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
};

export function startGatewayChild({ config, name, nodeArgs, args, env }: GatewayChildOptions): Promise<Child> {
  return startNode({
    name: name ?? "gateway",
    core: gatewayCore,
    args: [...(nodeArgs ?? []), "src/main.ts", "serve", "--config", config, ...(args ?? [])],
    env: { ...gatewayEnv, ...env },
  });
}
