import { once } from "node:events";
import { listedModels } from "../simulator/controls.ts";
import { wireNames } from "../simulator/registry.ts";
import { type SimulatorOptions, startSimulator } from "../simulator/start-simulator.ts";

/**
 * `llm-gateway simulate`: runs the simulator by itself until SIGINT or SIGTERM, and then resolves. Throws an `Error` of
 * one line when it cannot listen.
 */
export async function simulate(options: SimulatorOptions): Promise<void> {
  const simulator = await start(options);
  process.stdout.write(
    [
      `The simulator answers at ${simulator.url}`,
      `  APIs:   ${wireNames.map((name) => `/${name}`).join(" ")} (or the API's own path alone)`,
      `  models: ${listedModels.join(" ")}`,
      `          and every combination of words; what they do: curl ${simulator.url}`,
      "",
    ].join("\n"),
  );
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  await simulator.close();
}

async function start(options: SimulatorOptions): ReturnType<typeof startSimulator> {
  try {
    return await startSimulator(options);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    const place = `${options.host ?? "127.0.0.1"}:${options.port ?? 0}`;
    const why = code === "EADDRINUSE" ? "the port is in use" : code;
    throw new Error(`cannot listen on ${place}: ${why}`, { cause });
  }
}
