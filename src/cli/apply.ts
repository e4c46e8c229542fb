import { readFileSync } from "node:fs";
import { formatSteps } from "./apply/format-steps.ts";
import { parseObjects } from "./apply/parse-objects.ts";
import { planSteps } from "./apply/plan.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";
import type { ExitCode } from "./program.ts";
import { createGatewayTransport, type GatewayAddress, toCommandError } from "./usage-client.ts";

export type ApplyOptions = GatewayAddress & {
  readonly file: string;
  /** Only says what would change. */
  readonly dryRun: boolean;
  /** For how long the secret before still works after a key got another. */
  readonly graceMs: number;
};

/**
 * `llm-gateway apply`: makes the keys, budgets and routes of a gateway as a file says; what the file does not name stays.
 * Exit codes as of diff: with `dryRun` 1 when something differs; 2 when it could not be done or told.
 */
export async function apply(options: ApplyOptions, io: CommandIo): Promise<ExitCode> {
  try {
    const wanted = parseObjects(readText(options.file), options.file);
    const transport = createGatewayTransport(options);
    const steps = await planSteps(transport, wanted, { graceSeconds: Math.round(options.graceMs / 1_000) });
    io.out(formatSteps(steps));
    const due = steps.filter(({ kind }) => kind !== "keep");
    if (options.dryRun) return due.length === 0 ? 0 : 1;
    for (const { name, run } of due) {
      const told = await run();
      io.err(`${name} done\n`);
      if (told !== undefined) io.out(`${told}\n`);
    }
    return 0;
  } catch (error) {
    throw new CommandError(toCommandError(error, options.address).message, { exitCode: 2, cause: error });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new CommandError(`${file} cannot be read`, { exitCode: 2, cause });
  }
}
