import { createHash, randomBytes } from "node:crypto";
import { stringify } from "yaml";
import { keyEntry } from "../config/schema/access.ts";
import { CommandError } from "./command-error.ts";
import type { CommandIo } from "./command-io.ts";

export type KeysCreateOptions = {
  readonly project: string;
  /** Absent: the project's name and six random letters. */
  readonly id?: string | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly models?: readonly string[] | undefined;
  readonly providers?: readonly string[] | undefined;
  /** A date or a date and time. */
  readonly expires?: string | undefined;
  /** The secret alone on standard output, the line on standard error. */
  readonly quiet: boolean;
};

const secretPrefix = "llmg_";
const secretBytes = 32;

/** `llm-gateway keys create`: a secret that is shown this once, and the line of `keys:` that knows it by its digest. */
export function keysCreate(options: KeysCreateOptions, io: CommandIo): void {
  const secret = secretPrefix + randomBytes(secretBytes).toString("base64url");
  const line = toLine(options, secret);
  if (options.quiet) {
    io.out(`${secret}\n`);
    io.err(line);
    return;
  }
  io.out(
    `Secret, shown this once:\n\n  ${secret}\n\nFor \`keys:\` in the config, which keeps its digest alone:\n\n  ${line}`,
  );
}

function toLine(options: KeysCreateOptions, secret: string): string {
  const entry = {
    id: options.id ?? `${options.project}-${randomBytes(3).toString("hex")}`,
    project: options.project,
    digest: `sha256:${createHash("sha256").update(secret).digest("hex")}`,
    roles: options.roles ?? ["inference"],
    models: options.models ?? ["*"],
    ...(options.providers === undefined ? {} : { providers: options.providers }),
    ...(options.expires === undefined ? {} : { expires: options.expires }),
  };
  const checked = keyEntry.safeParse(entry);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new CommandError(`--${String(issue?.path[0] ?? "project")} ${issue?.message ?? "is not valid"}`, {
      exitCode: 2,
    });
  }
  return `- ${stringify(entry, { collectionStyle: "flow", lineWidth: 0 })}`;
}
