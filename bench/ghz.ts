// A load profile with ghz (https://ghz.sh): what callers of the gRPC world would run, with the gateway's CPU beside ghz's
// own figures. Gateway on core 0; provider and ghz on core 1.
//
//   node bench/ghz.ts [seconds]     ghz is taken from GHZ, from PATH, or from `go env GOPATH`/bin
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { benchSecret, writeBenchConfig } from "./config.ts";
import { cpuMicros } from "./load/cpu-of-process.ts";
import { startGatewayChild, startSimulatorChild } from "./load/stand.ts";

const seconds = Number(process.argv[2] ?? 5);
const messages = [
  { role: "ROLE_USER", parts: [{ text: { text: "What is a gateway between services and models for?" } }] },
];

type GhzReport = {
  readonly count: number;
  readonly rps: number;
  readonly average: number;
  readonly errorDistribution?: Readonly<Record<string, number>>;
};

const profiles = [
  { name: "unary", method: "Complete", data: { model: "sim-small", messages }, messagesPerCall: 0 },
  {
    name: "stream of 64 deltas",
    method: "StreamComplete",
    data: { request: { model: "sim-tokens-64", messages } },
    messagesPerCall: 68, // Started, part started, 64 deltas, part ended, completed.
  },
] as const;

function ghzPath(): string {
  const goPath = spawnSync("go", ["env", "GOPATH"], { encoding: "utf8" }).stdout?.trim() ?? "";
  const candidates = [process.env["GHZ"], "ghz", join(goPath, "bin", "ghz")];
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    if (candidate.includes("/") && !existsSync(candidate)) continue;
    if (spawnSync(candidate, ["--version"]).status === 0) return candidate;
  }
  throw new Error("ghz is not here: go install github.com/bojand/ghz/cmd/ghz@latest");
}

const ghz = ghzPath();
const folder = mkdtempSync(join(tmpdir(), "llm-gateway-ghz-"));
const simulator = await startSimulatorChild();
const config = writeBenchConfig({
  folder,
  simulator: `http://127.0.0.1:${simulator.port}`,
  nats: undefined,
  durability: "fsync",
});
const gateway = await startGatewayChild({ config });
try {
  for (const profile of profiles) {
    run(profile, 2);
    const before = cpuMicros(gateway.pid);
    const report = run(profile, seconds);
    const micros = (cpuMicros(gateway.pid) - before) / report.count;
    const perMessage =
      profile.messagesPerCall === 0 ? "" : `, ${(micros / profile.messagesPerCall).toFixed(1)} µs a message`;
    console.log(
      `${profile.name}: ${report.rps.toFixed(0)} calls/s, ${micros.toFixed(0)} µs CPU a call${perMessage}, ` +
        `average ${(report.average / 1e6).toFixed(2)} ms${errorsIn(report)}`,
    );
  }
} finally {
  await gateway.stop();
  await simulator.stop();
  rmSync(folder, { recursive: true, force: true });
}

function run(profile: (typeof profiles)[number], forSeconds: number): GhzReport {
  const args = [
    "--insecure",
    ["--call", `llmgateway.v1.InferenceService/${profile.method}`],
    ["--connections", "4"],
    ["--concurrency", "64"],
    ["--duration", `${forSeconds}s`],
    ["--duration-stop", "wait"], // Calls under way at the end count, and are not cut off as errors.
    ["--metadata", JSON.stringify({ authorization: `Bearer ${benchSecret}` })],
    ["--data", JSON.stringify(profile.data)],
    ["--format", "json"],
    `127.0.0.1:${gateway.port}`,
  ].flat();
  const ran = spawnSync("taskset", ["-c", "1", ghz, ...args], { encoding: "utf8", maxBuffer: 256 << 20 });
  if (ran.status !== 0) throw new Error(`ghz ended with ${ran.status}: ${ran.stderr.slice(0, 500)}`);
  return JSON.parse(ran.stdout) as GhzReport;
}

function errorsIn(report: GhzReport): string {
  const errors = Object.entries(report.errorDistribution ?? {});
  return errors.map(([message, count]) => `, ${count} × ${message.slice(0, 120)}`).join("");
}
