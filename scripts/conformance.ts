// The official conformance suite of Connect, gRPC and gRPC-Web against the gateway's listening side. Needs Go 1.24 or later,
// which builds the suite once, at a pinned version checked by Go's own sums. Flags for the suite may follow, e.g.
// `--run "Basic/**"`, `--trace` or `-v`.
import { execFile, spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const version = "v1.0.7";
const projectFolder = fileURLToPath(new URL("..", import.meta.url));
const folder = join("test", "conformance");
const binaryFolder = join(projectFolder, "node_modules", ".cache", `connectconformance-${version}`);
const installTimeoutMs = 600_000;

/** Path of the suite's runner. Throws an `Error` of one line when it cannot be had. */
async function ensureRunner(): Promise<string> {
  const runner = join(binaryFolder, "connectconformance");
  try {
    await access(runner);
    return runner;
  } catch {
    console.log("building the conformance suite (once)…");
  }
  try {
    await run("go", ["install", `connectrpc.com/conformance/cmd/connectconformance@${version}`], {
      env: { ...process.env, GOBIN: binaryFolder },
      timeout: installTimeoutMs,
    });
    return runner;
  } catch (error) {
    const because =
      error instanceof Error && "code" in error && error.code === "ENOENT" ? "Go is not installed" : error;
    throw new Error(`the conformance suite needs Go 1.24 or later on the PATH: ${lastLine(because)}`);
  }
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n").at(-1) ?? "";
}

/** The suite's exit code: 0 when all passes that must, and fails that is known to. */
async function conform(flags: readonly string[]): Promise<number> {
  const runner = await ensureRunner();
  const args = [
    ...["--mode", "server", "--conf", join(folder, "features.yaml")],
    ...["--known-failing", `@${join(folder, "known-failing.txt")}`],
    ...flags,
    ...["--", process.execPath, join(folder, "serve-conformance.ts")],
  ];
  const child = spawn(runner, args, { cwd: projectFolder, stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

try {
  process.exitCode = await conform(process.argv.slice(2));
} catch (error) {
  console.error(lastLine(error));
  process.exitCode = 1;
}
