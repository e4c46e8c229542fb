// The gateway as operators run it: a process of its own with a file of its own, on a free port, ended by its id.
import { type ChildProcess, spawn } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const testSecret = "test-secret";

export type GatewayOptions = {
  /** YAML of `providers:` and `models:` and whatever else; `server`, `data_dir`, `tenants` and a key are added. */
  readonly yaml: string;
  /** Kept over a restart; default: a new one. */
  readonly folder?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Replaces the key section. */
  readonly keys?: string | undefined;
  readonly server?: string | undefined;
  /** Ids of projects; default: search and other. */
  readonly projects?: readonly string[] | undefined;
  /** What the team of the projects allows, e.g. "providers: [claude]"; default: everything. */
  readonly teamGrant?: string | undefined;
  /** What is run; default: the source. */
  readonly program?: string | undefined;
  /** More words of the command line. */
  readonly args?: readonly string[] | undefined;
};

export type GatewayProcess = {
  readonly port: number;
  readonly pid: number;
  readonly folder: string;
  /** Lines of its standard output so far. */
  readonly lines: readonly string[];
  kill(signal: NodeJS.Signals): void;
  /** Exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
};

/** Everything that tests started, ended by `stopAll` after each file. */
const started: { child: ChildProcess; folder: string }[] = [];

export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "llm-gateway-"));
  const config = join(folder, "gateway.yaml");
  writeFileSync(config, toYaml(options));
  const program = options.program ?? "src/main.ts";
  const child = spawn(process.execPath, [program, "serve", "--config", config, ...(options.args ?? [])], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TEST_PROVIDER_KEY: "sk-test-provider-key", ...options.env },
  });
  started.push({ child, folder });
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const lines: string[] = [];
  const port = await new Promise<number>((resolve, reject) => {
    const errors: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const found = listeningPort(line);
      if (found !== undefined) resolve(found);
    });
    createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
    child.once("exit", (code) =>
      reject(new Error(`the gateway ended with ${code}: ${errors.join("\n")} ${lines.join("\n")}`)),
    );
  });
  return { port, pid: child.pid ?? 0, folder, lines, kill: (signal) => child.kill(signal), exited };
}

/** Ends every gateway of this test file and removes its folder. */
export async function stopGateways(): Promise<void> {
  for (const { child, folder } of started.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

function toYaml(options: GatewayOptions): string {
  const digest = hash("sha256", testSecret, "hex");
  const keys =
    options.keys ??
    `keys:\n  - { id: test, project: search, digest: "sha256:${digest}", roles: [inference, usage], models: ["*"] }`;
  return `
server: ${options.server ?? "{ listen: 127.0.0.1:0, drain_timeout: 5s }"}
data_dir: ./data
tenants:
  organisations: [{ id: acme }]
  teams: [{ id: platform, organisation: acme${options.teamGrant === undefined ? "" : `, ${options.teamGrant}`} }]
  projects: [${(options.projects ?? ["search", "other"]).map((id) => `{ id: ${id}, team: platform }`).join(", ")}]
${keys}
${options.yaml}
`;
}

function listeningPort(line: string): number | undefined {
  if (!line.includes('"port"')) return undefined;
  const parsed = JSON.parse(line) as { port?: number };
  return parsed.port;
}
