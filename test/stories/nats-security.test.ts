// NATS that wants TLS, a user and permissions. Whatever is wrong with them, calls are served, the log says which setting to
// look at, and the events arrive once it is put right.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { connectNats, type NatsAccess } from "../../src/ledger/publisher/connect-nats.ts";
import { makeCertificate } from "../../src/server/testing/make-certificate.ts";
import { makeNatsOperator } from "../nats-operator.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually, Stage } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-nats-security-"));
let nats: NatsServer | undefined;
let stage: Stage | undefined;

afterEach(async () => {
  await stage?.close();
  await nats?.stop();
  stage = nats = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const save = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const seedOf = (pair: ReturnType<typeof nkeys.createUser>): string => new TextDecoder().decode(pair.getSeed());

const openStage = (natsYaml: string, env: NodeJS.ProcessEnv = {}): Promise<Stage> =>
  Stage.open({
    models: { small: ["sim/sim-small"] },
    env,
    yaml: `usage: { journal: { durability: os }, nats: { ${natsYaml} } }\n`,
  });

const whenWarned = (words: string) => eventually(() => stage?.gateway.lines.find((line) => line.includes(words)));
const whenPublished = () =>
  eventually(async () => ((await stage?.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));

async function inStream(access: NatsAccess): Promise<number> {
  const { connection } = await connectNats(access, "test");
  const { state } = await (await jetstreamManager(connection)).streams.info("USAGE");
  await connection.close();
  return state.messages;
}

describe("a gateway whose certificates are wrong", () => {
  it("serves on, names the setting, and publishes over TLS once the file is right", async () => {
    const authority = makeCertificate("authority");
    const server = makeCertificate("server", authority);
    const caFile = save("ca.pem", authority.cert);
    nats = await startNats({
      config: `tls { cert_file: "${save("server.pem", server.cert)}", key_file: "${save("server.key", server.key)}" }`,
    });
    const url = nats.url.replace("nats://", "tls://");
    const access = { servers: [url], tls: { caFile } };
    await setUpStream({ access });
    const wrong = save("trusted.pem", makeCertificate("stranger").cert);
    stage = await openStage(`servers: ["${url}"], tls: { ca_file: "${wrong}" }`);
    await stage.complete(ask("small"));
    expect(await whenWarned("stay in the journal")).toContain("look at tls.ca_file");
    await stage.complete(ask("small"));
    expect(await stage.metric("llmgateway_outbox_depth")).toBe(2);
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(0);

    save("trusted.pem", authority.cert);
    await whenPublished();
    expect(await inStream(access)).toBe(2);
  });
});

describe("a gateway whose NATS user", () => {
  const admin = nkeys.createUser();
  const gateway = nkeys.createUser();
  const full = { publish: ["llmgateway.usage.v1.>", "$JS.API.STREAM.INFO.USAGE"], subscribe: ["_INBOX.>"] };
  const users = (permissions: object | undefined): string => {
    const mine = `{ nkey: ${gateway.getPublicKey()}, permissions: ${JSON.stringify(permissions)} }`;
    const all = [`{ nkey: ${admin.getPublicKey()} }`, ...(permissions === undefined ? [] : [mine])];
    return `authorization { users: [ ${all.join(", ")} ] }`;
  };

  it.each([
    ["is not known", undefined, "look at credentials and nkey"],
    ["may not publish", { ...full, publish: ["$JS.API.STREAM.INFO.USAGE"] }, "may not publish to llmgateway.usage.v1"],
    ["may not have replies", { ...full, subscribe: ["_INBOX_other.>"] }, "look at inbox_prefix"],
  ])("%s serves on, names the setting, and publishes each event once when it may", async (_, permissions, words) => {
    nats = await startNats({ config: users(permissions) });
    const access = { servers: [nats.url], nkeySeed: seedOf(admin) };
    await setUpStream({ access });
    stage = await openStage(`servers: ["${nats.url}"], nkey: { env: NATS_NKEY }`, { NATS_NKEY: seedOf(gateway) });
    for (let call = 0; call < 40; call += 1) await stage.complete(ask("small"));
    expect(await whenWarned(words)).toContain("stay in the journal");
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(0);
    expect(await stage.metric("llmgateway_outbox_depth")).toBe(40);
    expect(stage.gateway.lines.join("\n")).not.toContain(seedOf(gateway));

    await nats.restart(users(full));
    await whenPublished();
    expect(await inStream(access)).toBe(40);
    expect(await stage.metric("llmgateway_publisher_ready")).toBe(1);
  });

  it("is known by a .creds file of an operator publishes with the least permissions and its own inbox", async () => {
    const operator = makeNatsOperator();
    nats = await startNats({ config: operator.config });
    const access = { servers: [nats.url], credentials: operator.credentials() };
    await setUpStream({ access });
    const file = save("gateway.creds", operator.credentials({ ...full, subscribe: ["_INBOX_gateway.>"] }));
    stage = await openStage(`servers: ["${nats.url}"], credentials: { file: "${file}" }, inbox_prefix: _INBOX_gateway`);
    for (let call = 0; call < 5; call += 1) await stage.complete(ask("small"));
    await whenPublished();
    expect(await inStream(access)).toBe(5);
  });
});
