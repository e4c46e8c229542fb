// NATS loses its store, and a consumer its rows: `usage reconcile` says so, `usage replay` brings the events back, both
// beside the running gateway.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BillingDatabase } from "../../examples/billing-consumer/billing-database.ts";
import { consumeUsage } from "../../examples/billing-consumer/consume-usage.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually, Stage } from "./stage.ts";

const calls = 12;
let nats: NatsServer;
let stage: Stage;
let billing: string;

beforeAll(async () => {
  nats = await startNats();
  await setUpStream({ access: { servers: [nats.url] } });
  stage = await Stage.open({
    models: { small: ["sim/sim-small"] },
    yaml: `usage: { journal: { durability: os }, nats: { servers: ["${nats.url}"], stream: USAGE, subject_prefix: llmgateway } }\n`,
  });
  billing = join(stage.gateway.folder, "billing.sqlite");
  for (let call = 0; call < calls; call += 1) await stage.complete(ask("small", `call ${call}`));
  await eventually(async () => ((await stage.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
});

afterAll(async () => {
  await stage?.close();
  await nats?.stop();
});

async function usage(...words: readonly string[]) {
  const config = join(stage.gateway.folder, "gateway.yaml");
  const done = await promisify(execFile)(process.execPath, ["src/main.ts", "usage", ...words, "--config", config]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  return { code: done.code, out: done.stdout, err: done.stderr };
}

/** Consumes until the database has booked so many. */
async function bookUntil(count: number): Promise<void> {
  const database = new BillingDatabase(billing);
  const over = new AbortController();
  const consuming = consumeUsage({ nats: { servers: nats.url }, database, signal: over.signal });
  const reader = new DatabaseSync(billing, { readOnly: true });
  await eventually(() =>
    reader.prepare("SELECT count(*) AS n FROM usage_event").get()?.["n"] === count ? true : undefined,
  );
  over.abort();
  await consuming;
  reader.close();
  database.close();
}

describe("usage reconcile and usage replay", () => {
  it("agree while all is well", async () => {
    await bookUntil(calls);
    const { code, out } = await usage("reconcile", "--database", billing);
    expect(out).toContain("nothing is missing, doubled or differs");
    expect(out).toMatch(/journal +12\nstream +12\ndatabase +12\non their way +0\n/);
    expect(code).toBe(0);
  });

  it("say what a consumer's database lacks", async () => {
    const database = new DatabaseSync(billing);
    database.exec("DELETE FROM usage_event WHERE event_id = (SELECT min(event_id) FROM usage_event)");
    database.close();
    const { code, out } = await usage("reconcile", "--database", billing);
    expect(code).toBe(1);
    expect(out).toMatch(/\n1 missing in the database:\n {2}[0-9a-f-]{36}\n$/);
  });

  it("say what NATS has lost, and bring it back while the gateway serves", async () => {
    const connection = await connect({ servers: nats.url });
    await (await jetstreamManager(connection)).streams.delete("USAGE");
    await connection.close();
    await setUpStream({ access: { servers: [nats.url] } });
    const lost = await usage("reconcile", "--json");
    expect(lost.code).toBe(1);
    expect(JSON.parse(lost.out)).toMatchObject({ inJournal: calls, inStream: 0 });
    expect(JSON.parse(lost.out).missingInStream).toHaveLength(calls);

    expect(await usage("replay", "--since", "1h")).toEqual({
      code: 0,
      out: `${calls} events replayed, of which the stream still had 0\n`,
      err: "",
    });
    await stage.complete(ask("small", "meanwhile"));
    await eventually(async () => ((await stage.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
    await bookUntil(calls + 1); // The row that was deleted comes back, too, and no other twice.
    expect(await usage("replay", "--since", "1h")).toMatchObject({
      out: `${calls + 1} events replayed, of which the stream still had ${calls + 1}\n`,
    });
    expect((await usage("reconcile", "--database", billing)).code).toBe(0);
  });

  it("say in one line why they cannot", async () => {
    const absent = await usage("reconcile", "--database", join(stage.gateway.folder, "absent.sqlite"));
    expect(absent).toMatchObject({ code: 1, err: expect.stringMatching(/^llm-gateway: --database [^\n]+\n$/) });
    expect(await usage("replay")).toMatchObject({ code: 2, err: expect.stringContaining("--since") });
    await nats.kill();
    expect(await usage("replay", "--since", "1h")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^llm-gateway: replay: [^\n]+\n$/),
    });
  });
});
