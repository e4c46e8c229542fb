// A stream on three servers of which the leader is killed: publishing goes on with the two that are left, and in the end
// every event is in the stream, once.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runProgram } from "../../src/cli/program.ts";
import { type NatsCluster, startNatsCluster } from "../nats-cluster.ts";
import { ask, eventually, Stage } from "./stage.ts";

let cluster: NatsCluster;
let stage: Stage;

beforeAll(async () => {
  cluster = await startNatsCluster();
  const servers = cluster.urls.map((url) => `"${url}"`).join(", ");
  stage = await Stage.open({
    models: { small: ["sim/sim-small"] },
    yaml: `usage: { journal: { durability: os }, nats: { servers: [${servers}] } }\n`,
  });
});
afterAll(async () => {
  await stage?.close();
  await cluster?.stop();
});

async function run(...words: readonly string[]) {
  const written = { out: "", err: "" };
  const code = await runProgram(
    ["node", "llm-gateway", ...words, "--config", join(stage.gateway.folder, "gateway.yaml")],
    {
      out: (text) => {
        written.out += text;
      },
      err: (text) => {
        written.err += text;
      },
      isTerminal: false,
      environment: { TEST_PROVIDER_KEY: "key" },
      nowMs: () => Date.now(),
      signal: new AbortController().signal,
    },
  );
  return { code, ...written };
}

const published = async () => (await stage.metric("llmgateway_events_published_total")) ?? 0;

describe("a stream on three servers", () => {
  it("is made by nats setup", async () => {
    const made = await run("nats", "setup", "--replicas", "3");
    expect(made).toMatchObject({ code: 0, out: expect.stringContaining("stream USAGE: created") });
  });

  it("takes every event once while its leader is killed", async () => {
    let calls = 0;
    let isOver = false;
    const callers = Array.from({ length: 2 }, async () => {
      while (!isOver) {
        await stage.complete(ask("small"));
        calls += 1;
      }
    });
    const goesOn = async (): Promise<void> => {
      const before = await published();
      await eventually(async () => ((await published()) > before + 50 ? true : undefined), 30_000);
    };
    await goesOn();
    const leader = await cluster.leaderOf("USAGE");
    await leader.kill();
    await goesOn();
    await leader.restart();
    isOver = true;
    await Promise.all(callers);
    await eventually(async () => ((await stage.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
    const ids = join(stage.gateway.folder, "ids");
    writeFileSync(ids, (await stage.events()).map(({ eventId }) => `${eventId}\n`).join(""));
    const held = await run("usage", "reconcile", "--since", "1h", "--booked-ids", ids);
    expect(held).toMatchObject({ code: 0, err: "" });
    expect(held.out).toContain(String(calls));
  }, 60_000);
});
