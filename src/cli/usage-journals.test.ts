import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type NatsServer, startNats } from "../../test/nats-server.ts";
import { UsageEventSchema } from "../contract.ts";
import { openLedger } from "../ledger/ledger.ts";
import { setUpStream } from "../ledger/nats-setup.ts";
import type { CommandIo } from "./command-io.ts";
import { runProgram } from "./program.ts";

let folder: string;
let nats: NatsServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "usage-journals-"));
  nats = await startNats();
  await setUpStream({ access: { servers: [nats.url] } });
  await writeFile(
    join(folder, "gateway.yaml"),
    `data_dir: ./data
tenants: { organisations: [{ id: acme }], teams: [{ id: platform, organisation: acme }], projects: [{ id: search, team: platform }] }
keys: [{ id: test, project: search, digest: "sha256:${"0".repeat(64)}", roles: [inference], models: ["*"] }]
providers: [{ id: sim, kind: openai, base_url: "http://127.0.0.1:1", credentials: { api_key: { env: TEST_KEY } } }]
models: [{ id: small, targets: [{ provider: sim, model: sim-small }] }]
usage: { nats: { servers: ["${nats.url}"], stream: USAGE, subject_prefix: llmgateway } }
`,
  );
});

afterEach(async () => {
  await nats.stop();
  await rm(folder, { recursive: true, force: true });
});

/** One event in a journal of its own, on its way to the stream. */
async function record(
  path: string,
  eventId: string,
  more: MessageInitShape<typeof UsageEventSchema> = {},
): Promise<void> {
  const ledger = await openLedger({
    folder: join(folder, path),
    instance: eventId,
    durability: "os",
    retainMs: 3_600_000,
    maxBytes: 1 << 30,
    delivery: "outbox",
    reprice: () => undefined,
    onPoisoned: () => undefined,
    log: { warn: () => undefined, info: () => undefined },
    now: Date.now,
  });
  await ledger.finish(create(UsageEventSchema, { eventId, eventTime: timestampFromMs(Date.now()), ...more }));
  await ledger.close();
}

async function usage(...words: readonly string[]) {
  let out = "";
  let err = "";
  const io: CommandIo = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    isTerminal: false,
    environment: {},
    nowMs: Date.now,
    signal: new AbortController().signal,
  };
  const config = join(folder, "gateway.yaml");
  const code = await runProgram(["node", "llm-gateway", "usage", ...words, "--config", config], io);
  return { code, out, err };
}

describe("usage reconcile and usage replay", () => {
  it("know the journals of all workers, and that of a gateway of one process before them", async () => {
    await record("data/journal", "alone");
    await record("data/worker-1/journal", "first");
    await record("data/worker-2/journal", "second");
    const before = await usage("reconcile", "--since", "1h", "--json");
    expect(JSON.parse(before.out)).toMatchObject({ inJournal: 3, inStream: 0, waiting: 3 });
    expect(await usage("replay", "--since", "1h")).toEqual({
      code: 0,
      out: "3 events replayed, of which the stream still had 0\n",
      err: "",
    });
    const after = await usage("reconcile", "--since", "1h", "--json");
    expect(JSON.parse(after.out)).toMatchObject({ inJournal: 3, inStream: 3, waiting: 0, differing: [] });
  });

  it("know the journals of workers where there is no other", async () => {
    await record("data/worker-2/journal", "second");
    expect(await usage("replay", "--since", "1h")).toMatchObject({ code: 0, out: expect.stringMatching(/^1 event/) });
  });

  it("go by when a correction was made, and hold a database only against calls of the time", async () => {
    const longAgo = timestampFromMs(Date.now() - 40 * 86_400_000);
    const correction = { createTime: timestampFromMs(Date.now()) };
    await record("data/journal", "old", { eventTime: longAgo });
    await record("data/journal", "correction", { eventTime: longAgo, correctsEventId: "old", correction });
    expect(await usage("replay", "--since", "1h")).toMatchObject({ out: expect.stringMatching(/^1 event/) });
    await writeFile(join(folder, "ids"), "");
    const { out } = await usage("reconcile", "--since", "1h", "--booked-ids", join(folder, "ids"), "--json");
    expect(JSON.parse(out)).toMatchObject({ inJournal: 1, inStream: 1, differing: [], missingInDatabase: [] });
  });

  it("say in one line that there is no journal", async () => {
    const absent = await usage("reconcile", "--since", "1h");
    expect(absent).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^llm-gateway: reconcile: [^\n]*ENOENT[^\n]*\n$/),
    });
  });
});
