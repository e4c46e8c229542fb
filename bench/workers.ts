// What more workers cost: CPU time a call of a gateway of one process, of one worker and of two, turn by turn. When it stays the
// same, cores add up. Throughput itself cannot show that on a machine whose cores the load needs, too.
//
//   node bench/workers.ts [rounds]
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { CompleteRequestSchema, Role } from "../src/contract.ts";
import { benchSecret, gatewayModel, writeBenchConfig } from "./config.ts";
import type { Child } from "./load/children.ts";
import { createGrpcTarget } from "./load/grpc-target.ts";
import { runLoad } from "./load/load.ts";
import { cpuMicrosOfTree, residentBytesOfTree } from "./load/process-tree.ts";
import { startGatewayChild, startSimulatorChild } from "./load/stand.ts";
import { medianAndRange } from "./load/statistics.ts";

const rounds = Number(process.argv[2] ?? 5);
const shape = { connections: 8, perConnection: 8 };
const folder = mkdtempSync(join(tmpdir(), "llm-gateway-workers-"));
const children: Child[] = [];
try {
  const simulator = await startSimulatorChild();
  children.push(simulator);
  const kinds = [
    { name: "one process", args: [] },
    { name: "two workers", args: ["--workers", "2"] },
  ];
  const stands = [];
  for (const [index, { name, args }] of kinds.entries()) {
    const own = join(folder, String(index));
    mkdirSync(own);
    const config = writeBenchConfig({
      folder: own,
      simulator: `http://127.0.0.1:${simulator.port}`,
      nats: undefined,
      durability: "os",
    });
    const gateway = await startGatewayChild({ name, config, args });
    children.push(gateway);
    const parts = [{ content: { case: "text" as const, value: { text: "What is a gateway for?" } } }];
    const message = create(CompleteRequestSchema, {
      model: gatewayModel("sim-small"),
      messages: [{ role: Role.USER, parts }],
      sampling: { maxOutputTokens: 256 },
    });
    const target = await createGrpcTarget({
      origin: `http://127.0.0.1:${gateway.port}`,
      path: "/llmgateway.v1.InferenceService/Complete",
      message: toBinary(CompleteRequestSchema, message),
      secret: benchSecret,
      shape,
    });
    stands.push({ name, gateway, target, micros: [] as number[], rates: [] as number[] });
  }
  for (let round = -1; round < rounds; round++) {
    for (const { gateway, target, micros, rates } of stands) {
      const before = cpuMicrosOfTree(gateway.pid);
      const { calls, failures, seconds } = await runLoad(target, { shape, durationMs: 5_000, callsMax: 1_000_000 });
      if (failures > 0) throw new Error(`${failures} calls failed`);
      if (round < 0) continue; // Warm-up.
      micros.push((cpuMicrosOfTree(gateway.pid) - before) / calls);
      rates.push(calls / seconds);
    }
  }
  for (const { name, gateway, target, micros, rates } of stands) {
    const memory = (residentBytesOfTree(gateway.pid) / 1e6).toFixed(0);
    console.log(
      `${name.padEnd(12)} ${medianAndRange(micros)} µs CPU a call, ${medianAndRange(rates, 0)} calls/s on one core, ${memory} MB`,
    );
    await target.close();
  }
} finally {
  for (const child of children.reverse()) await child.stop();
  rmSync(folder, { recursive: true, force: true });
}
