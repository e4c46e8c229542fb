import { execFile } from "node:child_process";
import { credentialFailure } from "./credential-parts.ts";

const timeoutMs = 30_000;
const outputBytesMax = 64 * 1024;

/** Standard output of a program, run without a shell. Rejects with `ProviderFailure`, which has nothing of the output. */
export function runCommand(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const [program, ...parameters] = command;
  if (program === undefined) return Promise.reject(credentialFailure("the command is empty"));
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, maxBuffer: outputBytesMax, env: { ...env }, windowsHide: true };
    execFile(program, parameters, options, (error, stdout) => {
      if (error === null) resolve(stdout);
      // The error of execFile quotes the whole command and what it wrote: neither is passed on.
      else reject(credentialFailure(`the command ${program} failed: ${reasonOf(error)}`));
    });
  });
}

function reasonOf(error: { readonly code?: unknown; readonly killed?: boolean | undefined }): string {
  if (error.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return `it wrote more than ${outputBytesMax} bytes`;
  if (error.killed === true) return `no end within ${timeoutMs / 1_000} s`;
  return typeof error.code === "number" ? `exit code ${error.code}` : String(error.code);
}
