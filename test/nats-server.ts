// A real nats-server with JetStream for one test file, on a free port of the loopback, with its store in a temporary folder.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { ensureNats } from "../scripts/ensure-nats.ts";

export type NatsOptions = {
  /** More lines of the server's configuration file: users, TLS, `jetstream` settings. */
  readonly config?: string;
  /** Default true. */
  readonly jetStream?: boolean;
};

export type NatsServer = {
  /** e.g. "nats://127.0.0.1:43211"; stays the same over `restart`. */
  readonly url: string;
  /** What it calls itself; the same over `restart`. */
  readonly name: string;
  /** SIGKILL: nothing is flushed. */
  kill(): Promise<void>;
  /** Starts again on the same port and the same store, with the same lines or others; kills first when it still runs. */
  restart(config?: string): Promise<void>;
  /** Kills and removes the store. */
  stop(): Promise<void>;
};

const startTimeoutMs = 20_000;
/** A test file that ends without stopping its servers must not leave them behind. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a server; resolves when it answers and has said the name that it was started with. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  if (process.env["NATS_SERVER_MISSING"] !== undefined) throw new Error(process.env["NATS_SERVER_MISSING"]);
  const binary = await ensureNats();
  const folder = await mkdtemp(join(tmpdir(), "nats-test-"));
  let port = -1;
  let lines = options.config ?? "";
  const name = `test-${randomUUID()}`;
  let child = await launch(binary, folder, port, name, options);
  port = child.port;

  const kill = async (): Promise<void> => {
    if (child.process.exitCode !== null || child.process.signalCode !== null) return;
    const ended = once(child.process, "exit");
    child.process.kill("SIGKILL");
    await ended;
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    name,
    kill,
    restart: async (config = lines) => {
      await kill();
      lines = config;
      child = await launch(binary, folder, port, name, { ...options, config });
    },
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

type Launched = { readonly process: ChildProcess; readonly port: number };

async function launch(
  binary: string,
  folder: string,
  port: number,
  name: string,
  options: NatsOptions,
): Promise<Launched> {
  const portsFolder = await mkdtemp(join(folder, "ports-"));
  const configFile = join(folder, "nats.conf");
  const jetStream =
    options.jetStream === false ? "" : `jetstream { store_dir: ${JSON.stringify(join(folder, "store"))} }\n`;
  await writeFile(configFile, `${jetStream}${options.config ?? ""}\n`);
  const settings = [
    "-a",
    "127.0.0.1",
    "-p",
    String(port),
    "--ports_file_dir",
    portsFolder,
    "-n",
    name,
    "-c",
    configFile,
  ];
  const child = spawn(binary, settings, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    log = (log + bytes.toString()).slice(-4_000);
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`nats-server ended at its start: ${log.trim().split("\n").at(-1)}`);
    const listening = port > 0 ? port : await portOf(portsFolder);
    if (listening !== undefined && (await nameAt(listening)) === name) return { process: child, port: listening };
    if (performance.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`nats-server did not answer within ${startTimeoutMs} ms: ${log.trim().split("\n").at(-1)}`);
    }
    await wait(10);
  }
}

/** The server writes `{"nats":["nats://127.0.0.1:PORT"]}` into its ports file, which may be seen half written. */
async function portOf(folder: string): Promise<number | undefined> {
  for (const file of await readdir(folder)) {
    const found = /(?:nats|tls):\/\/[^:"]+:(\d+)/.exec(await readFile(join(folder, file), "utf8"));
    if (found !== null) return Number(found[1]);
  }
  return undefined;
}

/** The server's greeting carries its name: another process on a reused port is not taken for ours. */
async function nameAt(port: number): Promise<string | undefined> {
  const socket = createConnection({ host: "127.0.0.1", port });
  try {
    let text = "";
    for await (const bytes of socket) {
      text += String(bytes);
      if (text.includes("\n")) break;
    }
    return /"server_name":"([^"]+)"/.exec(text)?.[1];
  } catch {
    return undefined; // Not listening yet.
  } finally {
    socket.destroy();
  }
}
