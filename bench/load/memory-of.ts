import { existsSync, readFileSync, rmSync } from "node:fs";

export type Memory = {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
};

/** Memory of a process that has `memory-on-signal.ts` loaded, in bytes, with its garbage collected. */
export async function memoryOf(pid: number, file: string): Promise<Memory> {
  rmSync(file, { force: true });
  process.kill(pid, "SIGUSR2");
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 50));
  return JSON.parse(readFileSync(file, "utf8"));
}
