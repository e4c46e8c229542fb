// `llm-gateway serve`: the gateway of a config file, or, without one, a gateway and a simulator to try it with.
import { once } from "node:events";
import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { demoConfig, demoModelId } from "../config/demo-config.ts";
import { loadConfig } from "../config/load.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import type { RunningGateway } from "./compose-gateway.ts";
import { exitCodePoisoned } from "./exit-codes.ts";
import { knownNames } from "./known-names.ts";
import { workersIn } from "./workers/find-retired.ts";

/** `workers`: processes that share the port; 1 is this one. */
export type ServeOptions = { readonly workers: number } & (
  | { readonly kind: "config"; readonly file: string }
  /** `dataDir`: where the journal is kept. */
  | { readonly kind: "demo"; readonly dataDir: string }
);

/** Resolves when a signal has ended it, and everything is flushed. */
export async function serve(options: ServeOptions, io: CommandIo): Promise<void> {
  const { workers } = options;
  if (options.kind === "demo") await serveDemo(options.dataDir, workers, io);
  else await serveUntilSignal(await open(await loadConfig(options.file, knownNames), workers, false), io);
}

type Running = Pick<RunningGateway, "address" | "port" | "log" | "reload" | "close"> & {
  /** Ends the other processes at once; `undefined`: there are none. */
  readonly kill?: (() => void) | undefined;
};

/** A folder that has been used by workers has journals that this process alone would not know: it is served by workers. */
function open(config: Config, workers: number, nextFreePort: boolean): Promise<Running> {
  const isAlone = workers === 1 && workersIn(config.dataDir).length === 0;
  return isAlone ? compose(config, nextFreePort) : composeWorkers(config, workers, nextFreePort);
}

const demoSecret = "llmg_demo";

async function serveDemo(dataDir: string, workers: number, io: CommandIo): Promise<void> {
  const { startSimulator } = await import("../simulator/start-simulator.ts");
  const simulator = await startSimulator();
  const config = demoConfig({
    simulatorUrl: simulator.url,
    dataDir: resolve(dataDir),
    keySecret: demoSecret,
    environment: io.environment,
    known: knownNames,
  });
  const quiet: Config = { ...config, telemetry: { ...config.telemetry, logLevel: "warn" } };
  try {
    const gateway = await open(quiet, workers, true);
    io.out(welcome(gateway, config));
    await serveUntilSignal(gateway, io);
  } finally {
    await simulator.close(); // It would keep the process alive after a start that failed.
  }
}

async function compose(config: Config, nextFreePort: boolean): Promise<Running> {
  const { composeGateway } = await import("./compose-gateway.ts");
  return toCommandError(
    composeGateway(config, {
      environment: process.env,
      nextFreePort,
      onPoisoned: (error) => {
        process.stderr.write(`the usage journal has failed, and no call may go unrecorded: ${error.message}\n`);
        process.exit(exitCodePoisoned);
      },
    }),
  );
}

async function composeWorkers(config: Config, count: number, nextFreePort: boolean): Promise<Running> {
  const { serveWorkers } = await import("./workers/serve-workers.ts");
  let running: Running | undefined;
  const onPoisoned = (): void => {
    // The other workers' calls have a disk that may still take their ends. While it drains this waits for the same end.
    void (running?.close() ?? Promise.resolve()).finally(() => process.exit(exitCodePoisoned));
  };
  running = await toCommandError(serveWorkers({ config, count, nextFreePort, environment: process.env, onPoisoned }));
  return running;
}

function toCommandError<Value>(opening: Promise<Value>): Promise<Value> {
  return opening.catch((error: unknown) => {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  });
}

/** SIGTERM and SIGINT drain; a second one ends at once, as Node does by itself. SIGHUP reads secrets anew. */
async function serveUntilSignal(gateway: Running, io: CommandIo): Promise<void> {
  process.on("SIGHUP", () => gateway.reload());
  if (!io.signal.aborted) await once(io.signal, "abort");
  const { kill } = gateway;
  if (kill !== undefined) killOnSignal(kill);
  gateway.log.logger.info("draining");
  await gateway.close();
}

/** Workers do not hear signals: they would drain on while this process is gone. */
function killOnSignal(kill: () => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      kill();
      process.removeAllListeners(signal); // The signal does now what it does by itself.
      process.kill(process.pid, signal);
    });
  }
}

function welcome(gateway: Running, config: Config): string {
  const address = `${gateway.address}:${gateway.port}`;
  const auth = `-H 'authorization: Bearer ${demoSecret}'`;
  const message = `"messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "Why a gateway?"}}]}]`;
  const request = `{"model": "${demoModelId}", ${message}}`;
  const moved = gateway.port === config.server.port ? "" : ` (port ${config.server.port} is taken)`;
  return `LLM Gateway listens on ${address}${moved}, with simulated providers and the key ${demoSecret}.
Models: ${config.models.map(({ id }) => id).join(", ")}

  grpcurl -plaintext ${address} list
  grpcurl -plaintext ${auth} -d '${request}' ${address} llmgateway.v1.InferenceService/Complete
  grpcurl -plaintext ${auth} -d '{"request": ${request}}' ${address} llmgateway.v1.InferenceService/StreamComplete
  grpcurl -plaintext ${auth} -d '{"filter": {}, "group_by": ["USAGE_DIMENSION_MODEL"]}' ${address} llmgateway.usage.v1.UsageService/QueryUsage

Without grpcurl:

  curl -s -H 'content-type: application/json' ${auth} -d '${request}' http://${address}/llmgateway.v1.InferenceService/Complete

Ctrl-C ends it.
`;
}
