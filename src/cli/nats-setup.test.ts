import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type NatsServer, startNats } from "../../test/nats-server.ts";
import { runProgram } from "./program.ts";

let nats: NatsServer;
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "llm-gateway-nats-setup-"));
  nats = await startNats();
});
afterAll(async () => {
  await nats.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function setUp(usage: string, ...words: readonly string[]) {
  const file = join(folder, "gateway.yaml");
  writeFileSync(
    file,
    `providers: [{ id: local, kind: openai-compatible, base_url: "http://127.0.0.1:8000" }]
models: [{ id: chat, targets: [{ provider: local, model: m }] }]
${usage}
`,
  );
  const written = { out: "", err: "" };
  const code = await runProgram(["node", "llm-gateway", "nats", "setup", "--config", file, ...words], {
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
    isTerminal: false,
    environment: {},
    nowMs: () => Date.now(),
    signal: new AbortController().signal,
  });
  return { code, ...written };
}

it("makes the stream and the consumer, and says the second time that they were updated", async () => {
  const usage = `usage: { nats: { servers: ["${nats.url}"], stream: BILLING } }`;
  const first = await setUp(usage, "--max-age", "7d", "--max-bytes", "64MiB");
  expect(first).toEqual({
    code: 0,
    out: expect.stringMatching(/^NATS server 2\.\d+\.\d+\nstream BILLING: created\nconsumer billing: created\n$/),
    err: "",
  });
  expect((await setUp(usage)).out).toMatch(/stream BILLING: updated\nconsumer billing: updated\n$/);
});

it("says in one line what is missing, and exit code 1", async () => {
  expect(await setUp("usage: {}")).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^llm-gateway: .*usage\.nats is missing.*\n$/),
  });
  const missing = await setUp(`usage: { nats: { servers: ["${nats.url}"], credentials: { env: NATS_CREDENTIALS } } }`);
  expect(missing).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^llm-gateway: .*NATS_CREDENTIALS is not set\n$/),
  });
});
