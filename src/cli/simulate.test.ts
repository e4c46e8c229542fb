import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Simulator, startSimulator } from "../simulator/start-simulator.ts";
import { simulate } from "./simulate.ts";

let taken: Simulator;

beforeAll(async () => {
  taken = await startSimulator();
});

afterAll(() => taken.close());

it("runs until it is told to stop, and says where it answers", async () => {
  const program = `import { simulate } from ${JSON.stringify(new URL("simulate.ts", import.meta.url).href)}; await simulate({ port: 0 });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [printed] = await once(child.stdout, "data");
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(printed))?.[0];
  const response = await fetch(`${url}/v1/models`);
  expect(response.status).toBe(200);
  await response.text();
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

it("says in one line that the port is in use", async () => {
  await expect(simulate({ port: taken.port })).rejects.toThrow(
    `cannot listen on 127.0.0.1:${taken.port}: the port is in use`,
  );
});
