// What a gateway stands on can be bad, too: the config, the port, the data folder, the journal, the disk. Each is one
// line for the operator, or a typed error for callers, and no event is lost.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorReason, Outcome } from "../../src/contract.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { startNats } from "../nats-server.ts";
import { detailsOf } from "../status-details.ts";
import { ask, eventually, Stage } from "./stage.ts";

let folder: string;
let stage: Stage | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-gateway-bad-"));
});

afterEach(async () => {
  await stage?.close();
  stage = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const models = { small: ["sim/sim-small"], slow: ["sim/sim-slow-first-token-20000"] };

/** What a command says and ends with. */
async function run(...words: readonly string[]) {
  const done = await promisify(execFile)(process.execPath, ["src/main.ts", ...words]).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
  return { code: done.code, out: done.stdout, err: done.stderr };
}

function writeConfig(text: string): string {
  const file = join(folder, "gateway.yaml");
  writeFileSync(file, text);
  return file;
}

const smallConfig = (listen: string, dataDir: string) => `
server: { listen: "${listen}" }
data_dir: ${dataDir}
providers: [{ id: local, kind: openai-compatible, base_url: "http://127.0.0.1:9" }]
models: [{ id: chat, targets: [{ provider: local, model: m }] }]
`;

describe("a config", () => {
  it("with five mistakes tells all five at once, each with its line, to check and to serve", async () => {
    const file = writeConfig(`server: { listen: "127.0.0.1:notaport" }
providers:
  - { id: local, kind: openai-compatible, base_url: "http://127.0.0.1:9" }
  - { id: other, kind: opnai }
models:
  - { id: chat, targets: [{ provider: locl, model: m }] }
keys:
  - { id: k, project: nowhere, digest: "sha256:zz" }
usge: {}
`);
    const checked = await run("check", "--config", file);
    expect(checked.code).toBe(1);
    const lines = checked.out.trim().split("\n");
    for (const line of [1, 4, 6, 8, 9]) {
      expect(lines.filter((one) => one.includes(`gateway.yaml:${line}:`)).length, `line ${line}`).toBeGreaterThan(0);
    }
    const served = await run("serve", "--config", file);
    expect(served.code).toBe(1);
    expect(served.err.split("\n").filter((line) => line.includes("gateway.yaml:")).length).toBe(lines.length);
  });

  it("that is not there, not YAML or not text is one line", async () => {
    const absent = join(folder, "absent.yaml");
    expect(await run("serve", "--config", absent)).toMatchObject({
      code: 1,
      err: `${absent}: there is no such file\n`,
    });
    for (const text of ["a: [", "\u0000\u0001\u0002", "- 1", ""]) {
      const { code, err } = await run("serve", "--config", writeConfig(text));
      expect(code).toBe(1);
      expect(err).not.toContain("    at ");
      expect(err).toContain("gateway.yaml");
    }
  });
});

describe("a gateway that cannot have what it needs", () => {
  it("says in one line that the port is taken", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const address = holder.address();
    const port = typeof address === "object" ? address?.port : 0;
    const { code, err } = await run("serve", "--config", writeConfig(smallConfig(`127.0.0.1:${port}`, "./data")));
    holder.close();
    expect({ code, err }).toEqual({ code: 1, err: oneLine });
    expect(err).toContain(`127.0.0.1:${port}: the port is taken`);
  });

  it("says in one line that the data folder cannot be used", async () => {
    writeFileSync(join(folder, "data"), "a file where the folder should be");
    const { code, err } = await run("serve", "--config", writeConfig(smallConfig("127.0.0.1:0", "./data")));
    expect({ code, err }).toEqual({ code: 1, err: oneLine });
    expect(err).toContain("the usage journal cannot be opened");
  });

  it("says in one line that the data folder is held by another gateway, which goes on", async () => {
    stage = await Stage.open({ models });
    const config = smallConfig("127.0.0.1:0", join(stage.gateway.folder, "data"));
    const { code, err } = await run("serve", "--config", writeConfig(config));
    expect({ code, err }).toEqual({ code: 1, err: oneLine });
    expect(err).toContain(`in use by process ${stage.gateway.pid}`);
    await stage.complete(ask("small"));
  });
});

describe("a journal", () => {
  const newestSegment = (gatewayFolder: string): string => {
    const journal = join(gatewayFolder, "data/journal");
    const names = readdirSync(journal).filter((name) => name.endsWith(".seg"));
    return join(journal, names.toSorted((a, b) => a.slice(-14).localeCompare(b.slice(-14))).at(-1) ?? "");
  };

  it("with a torn tail opens, says so, and has every whole event", async () => {
    stage = await Stage.open({ models });
    for (let call = 0; call < 5; call += 1) await stage.complete(ask("small", `call ${call}`));
    const dying = stage.complete(ask("slow")).catch(() => undefined);
    await stage.simulator.waitForRequest((one) => one.body.includes("sim-slow-first-token-20000"));
    stage.gateway.kill("SIGKILL");
    await Promise.all([stage.gateway.exited, dying]);
    appendFileSync(newestSegment(stage.gateway.folder), Buffer.from([0x40, 0, 0, 0, 1, 2, 3, 4, 5, 6]));
    await stage.restart();
    expect(stage.gateway.lines.join("\n")).toContain("torn record");
    const outcomes = (await stage.events()).map(({ outcome }) => outcome).toSorted();
    expect(outcomes).toEqual([...Array.from({ length: 5 }, () => Outcome.SUCCEEDED), Outcome.LOST].toSorted());
  });

  it("whose last record was cut in half loses that record alone", async () => {
    stage = await Stage.open({ models });
    for (let call = 0; call < 5; call += 1) await stage.complete(ask("small", `call ${call}`));
    stage.gateway.kill("SIGKILL");
    await stage.gateway.exited;
    const path = newestSegment(stage.gateway.folder);
    truncateSync(path, statSync(path).size - 7);
    await stage.restart();
    // The end of the fifth call is gone, its beginning is not: it is lost, and billed as estimated.
    const outcomes = (await stage.events()).map(({ outcome }) => outcome).toSorted();
    expect(outcomes).toEqual([...Array.from({ length: 4 }, () => Outcome.SUCCEEDED), Outcome.LOST].toSorted());
    await stage.complete(ask("small"));
  });

  it("that is full refuses calls with a retry, loses no event, and goes on when NATS has taken them", async () => {
    const nats = await startNats();
    await setUpStream({ access: { servers: [nats.url] } });
    await nats.kill();
    stage = await Stage.open({
      models,
      yaml: `usage:
  journal: { durability: os, max_bytes: 16MiB }
  nats: { servers: ["${nats.url}"], stream: USAGE, subject_prefix: llmgateway }
`,
    });
    // Labels are the largest thing that an event may carry.
    const labels = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`label${index}`, "x".repeat(256)]));
    let served = 0;
    let refusal: ServiceError | undefined;
    const gateway = stage;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (refusal === undefined) {
          try {
            await gateway.complete({ ...ask("small"), labels });
            served += 1;
          } catch (error) {
            refusal ??= error as ServiceError;
          }
        }
      }),
    );
    expect(refusal?.code).toBe(grpcStatus.UNAVAILABLE);
    expect(detailsOf(refusal as ServiceError).info?.reason).toBe("GATEWAY_OVERLOADED");
    expect(detailsOf(refusal as ServiceError).retry).toBeDefined();
    expect(await stage.metric("llmgateway_journal_poisoned")).toBe(0);
    expect(await stage.metric("llmgateway_journal_bytes")).toBeLessThanOrEqual(16 << 20);

    await nats.restart();
    await eventually(async () => ((await gateway.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
    await eventually(() =>
      gateway.complete(ask("small")).then(
        () => true,
        () => undefined,
      ),
    );
    await eventually(async () => ((await gateway.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
    const connection = await connect({ servers: nats.url });
    const { messages } = (await (await jetstreamManager(connection)).streams.info("USAGE")).state;
    await connection.close();
    const events = await stage.events();
    expect(messages).toBe(events.length);
    expect(events.filter(({ outcome }) => outcome === Outcome.SUCCEEDED).length).toBeGreaterThanOrEqual(served + 1);
    expect(events.some(({ errorReason }) => errorReason === ErrorReason.INTERNAL)).toBe(false);
    await nats.stop();
  });
});

/** One line, without a stack. */
const oneLine = expect.stringMatching(/^llm-gateway: [^\n]+\n$/);
