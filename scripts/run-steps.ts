// Runs commands one after the other and says which of them failed; used by `npm run check`.
import { spawnSync } from "node:child_process";

export type Step = { readonly name: string; readonly command: string; readonly args: readonly string[] };

/** Runs every step, also after a failure, so that one look shows all that is wrong. True when all succeeded. */
export function runSteps(steps: readonly Step[]): boolean {
  const failed: string[] = [];
  for (const { name, command, args } of steps) {
    const startedMs = performance.now();
    const { status } = spawnSync(command, args, { stdio: "inherit" });
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    console.log(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
    if (status !== 0) failed.push(name);
  }
  if (failed.length > 0) console.error(`failed: ${failed.join(", ")}`);
  return failed.length === 0;
}
