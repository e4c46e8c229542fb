// A child process whose lines are read, and which is killed without warning: the writer of the crash suite, or the whole
// gateway (`node src/main.ts serve --config FILE`).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export type Child = {
  /** Complete lines of standard output so far; grows. */
  readonly lines: readonly string[];
  /** Resolves with the first line that begins so; rejects when the process ends before. */
  line(start: string): Promise<string>;
  /** SIGKILL; resolves when the process is gone and all that it said was read. */
  kill(): Promise<void>;
  /** Resolves when it ended by itself, with its exit code. */
  readonly ended: Promise<number | null>;
};

export function startChild(parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): Child {
  const child: ChildProcess = spawn(process.execPath, parameters, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of [...waiting]) check();
  };
  const { stdout } = child;
  if (stdout === null) throw new Error("the child has no standard output");
  const reader = createInterface({ input: stdout });
  reader.on("line", (line) => {
    lines.push(line);
    wake();
  });
  const drained = once(reader, "close");
  const ended = once(child, "exit").then(async ([code]: (number | null)[]) => {
    await drained;
    wake();
    return code ?? null;
  });
  return {
    lines,
    ended,
    line: (start) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = lines.find((line) => line.startsWith(start));
          if (found !== undefined) {
            waiting.delete(check);
            resolve(found);
          }
        };
        waiting.add(check);
        check();
        ended.then(
          (code) => reject(new Error(`the process ended with ${code} before it said "${start}"`)),
          (error: unknown) => reject(error),
        );
      }),
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** The whole gateway under the same harness. */
export function startGateway(configFile: string, environment: NodeJS.ProcessEnv = {}): Child {
  return startChild(["src/main.ts", "serve", "--config", configFile], environment);
}
