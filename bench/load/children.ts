// Starts what is measured and what it is measured with, each on its core, and ends it again by its own process id.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export type Child = { readonly pid: number; readonly port: number; stop(): Promise<void> };

export type ChildOptions = {
  readonly name: string;
  readonly core: number;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv | undefined;
};

/** Starts `node …args` on one core; it has to print one JSON line with its `port`. */
export async function startNode(options: ChildOptions): Promise<Child> {
  const child = spawn("taskset", ["-c", String(options.core), process.execPath, ...options.args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: options.env ?? process.env,
  });
  const port = await portOf(child, options.name);
  return { pid: child.pid ?? 0, port, stop: () => stopped(child) };
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

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) {
      resolve();
      return;
    }
    child.once("exit", () => resolve());
    child.kill("SIGTERM");
  });
}
