// Starts what is measured and what it is measured with, each on its core, and ends it again by its own process id.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export type Child = {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
  /** At once. */
  kill(): Promise<void>;
};

export type ChildOptions = {
  readonly name: string;
  readonly core: number;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** It runs when nothing else on its core wants to. Default: as an equal. */
  readonly isLast?: boolean | undefined;
};

/** Starts `node …args` on one core; it has to print one JSON line with its `port`. */
export async function startNode(options: ChildOptions): Promise<Child> {
  const pinned = ["taskset", "-c", String(options.core), process.execPath, ...options.args];
  const [command = "", ...args] = options.isLast === true ? ["chrt", "--idle", "0", ...pinned] : pinned;
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], env: options.env ?? process.env });
  const port = await portOf(child, options.name);
  return { pid: child.pid ?? 0, port, stop: () => stopped(child, "SIGTERM"), kill: () => stopped(child, "SIGKILL") };
}

function portOf(child: ChildProcess, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error("no stdout");
    const lines = createInterface({ input: child.stdout });
    const look = (line: string): void => {
      const port = portInLine(line);
      if (port === undefined) return;
      lines.off("line", look); // What is said later is of no use here, but has to be read.
      lines.on("line", () => undefined);
      resolve(port);
    };
    lines.on("line", look);
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}`)));
    child.once("error", reject);
  });
}

function portInLine(line: string): number | undefined {
  if (!line.startsWith("{")) return undefined;
  const parsed = JSON.parse(line) as { port?: number };
  return parsed.port;
}

function stopped(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}
