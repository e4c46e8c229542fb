// What one tenant can do to another: a quiet one makes 50 calls a second, alone and beside a noisy one that floods the gateway,
// turn by turn in one run. Prints the quiet one's latencies and the gateway's memory.
//
//   node bench/noisy-neighbour.ts [rounds] [flood|huge|slow]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { CompleteRequestSchema, Role } from "../src/contract.ts";
import { type Child, startNode } from "./load/children.ts";
import { residentBytes } from "./load/cpu-of-process.ts";
import { createGrpcTarget } from "./load/grpc-target.ts";
import { measureLatency } from "./load/measure.ts";
import { startGatewayChild, startSimulatorChild } from "./load/stand.ts";
import { quantile } from "./load/statistics.ts";
import { neighbourConfig, neighbourSecrets } from "./neighbour-config.ts";

const rounds = Number(process.argv[2] ?? 4);
const kinds = process.argv[3] === undefined ? ["flood", "huge", "slow"] : [process.argv[3]];
const secondsOfRound = 6;

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-neighbour-"));
const children: Child[] = [];
try {
  const simulator = await startSimulatorChild();
  children.push(simulator);
  // Only the gateway is shared: the noisy one's client and provider stand behind the quiet one's on their core.
  const theirs = await startSimulatorChild(true);
  children.push(theirs);
  const config = join(folder, "gateway.yaml");
  writeFileSync(
    config,
    neighbourConfig({ quiet: `http://127.0.0.1:${simulator.port}`, noisy: `http://127.0.0.1:${theirs.port}` }),
  );
  const gateway = await startGatewayChild({ config });
  children.push(gateway);
  const shape = { connections: 1, perConnection: 1 };
  const parts = [{ content: { case: "text" as const, value: { text: "What is a gateway for?" } } }];
  const request = { model: "small", messages: [{ role: Role.USER, parts }], sampling: { maxOutputTokens: 50 } };
  const quiet = await createGrpcTarget({
    origin: `http://127.0.0.1:${gateway.port}`,
    path: "/llmgateway.v1.InferenceService/Complete",
    message: toBinary(CompleteRequestSchema, create(CompleteRequestSchema, request)),
    secret: neighbourSecrets.quiet,
    shape,
  });
  await measureLatency(quiet, 200, 4); // Warm-up.
  for (const kind of kinds) {
    const alone: number[] = [];
    const beside: number[] = [];
    const refused = { alone: 0, beside: 0 };
    for (let round = 0; round < rounds; round += 1) {
      const before = await measureLatency(quiet, 50, secondsOfRound);
      const noisy = await startNode({
        name: kind,
        core: 1,
        isLast: true,
        args: ["bench/neighbour-load.ts", String(gateway.port), kind],
      });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const during = await measureLatency(quiet, 50, secondsOfRound);
      await noisy.kill();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      alone.push(...before);
      beside.push(...during);
      refused.alone += 50 * secondsOfRound - before.length;
      refused.beside += 50 * secondsOfRound - during.length;
    }
    const of = (latencies: readonly number[]) =>
      `p50 ${quantile(latencies, 0.5).toFixed(2)} ms, p99 ${quantile(latencies, 0.99).toFixed(2)} ms`;
    const ratio = quantile(beside, 0.99) / quantile(alone, 0.99);
    console.log(
      `${kind.padEnd(6)} alone ${of(alone)}; beside ${of(beside)}; p99 ${ratio.toFixed(1)} ×; failed ${refused.alone} and ` +
        `${refused.beside}; ${(residentBytes(gateway.pid) / 1e6).toFixed(0)} MB`,
    );
  }
  await quiet.close();
} finally {
  for (const child of children.reverse()) await child.stop();
  rmSync(folder, { recursive: true, force: true });
}
