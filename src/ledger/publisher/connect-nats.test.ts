import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeNatsOperator } from "../../../test/nats-operator.ts";
import { type NatsServer, startNats } from "../../../test/nats-server.ts";
import { type Certified, makeCertificate } from "../../server/testing/make-certificate.ts";
import { connectNats, type NatsAccess } from "./connect-nats.ts";
import { explainNatsError } from "./explain-nats-error.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-gateway-nats-tls-"));
const servers: NatsServer[] = [];
const authority = makeCertificate("authority");
const server = makeCertificate("server", authority);
const client = makeCertificate("client", authority);
const stranger = makeCertificate("stranger");
const user = nkeys.createUser();

const save = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const certFile = ({ name, cert }: Certified): string => save(`${name}.pem`, cert);
const keyFile = ({ name, key }: Certified): string => save(`${name}.key`, key);
const seedOf = (pair: typeof user): string => new TextDecoder().decode(pair.getSeed());
const caFile = certFile(authority);
const serverTls = `cert_file: "${certFile(server)}", key_file: "${keyFile(server)}", ca_file: "${caFile}"`;

async function start(config: string): Promise<string> {
  const started = await startNats({ config });
  servers.push(started);
  return started.url;
}

const toTls = (url: string): string => url.replace("nats://", "tls://");

/** "connected", or why not. */
async function tryWith(access: NatsAccess): Promise<string> {
  try {
    const { connection } = await connectNats(access, "test");
    await connection.request("$JS.API.INFO", "", { timeout: 5_000 });
    await connection.close();
    return "connected";
  } catch (error) {
    return explainNatsError(error, access);
  }
}

afterAll(async () => {
  await Promise.all(servers.map((one) => one.stop()));
  rmSync(folder, { recursive: true, force: true });
});

describe("NATS behind TLS", () => {
  let url = "";
  beforeAll(async () => {
    url = await start(`tls { ${serverTls} }\nauthorization { users: [{ nkey: ${user.getPublicKey()} }] }`);
  });
  const access = (more: Partial<NatsAccess>): NatsAccess => ({
    servers: [toTls(url)],
    nkeySeed: seedOf(user),
    tls: { caFile },
    ...more,
  });

  it("is known by its IP address, when the certificate of the authority names it", async () => {
    expect(await tryWith(access({}))).toBe("connected");
    expect(await tryWith(access({ servers: [url] }))).toBe("connected");
  });

  it.each([
    ["by nobody whom the gateway trusts", { tls: undefined }, /trusts: look at tls\.ca_file/],
    ["by another authority", { tls: { caFile: certFile(stranger) } }, /trusts: look at tls\.ca_file/],
    ["by a file that is gone", { tls: { caFile: join(folder, "gone.pem") } }, /gone\.pem doesn't exist/],
  ])("is refused when its certificate is signed %s", async (_, more, words) => {
    expect(await tryWith(access(more))).toMatch(words);
  });

  it("is refused when its certificate is for another name", async () => {
    const named = access({ servers: [toTls(url).replace("127.0.0.1", "localhost")] });
    expect(await tryWith(named)).toMatch(/^the certificate of NATS is for another name than the address in servers/);
    // The authority's own certificate names no address at all.
    const nameless = await start(`tls { cert_file: "${caFile}", key_file: "${keyFile(authority)}" }`);
    expect(await tryWith({ servers: [toTls(nameless)], tls: { caFile } })).toMatch(/^the certificate of NATS is for/);
  });

  it.each([
    ["another user", { nkeySeed: seedOf(nkeys.createUser()) }, /^NATS refuses the credentials/],
    ["no user", { nkeySeed: undefined }, /^NATS refuses the credentials/],
    ["what is no seed", { nkeySeed: "SUNOSEED" }, /^nkey is not the seed of an nkey/],
    ["what is no .creds file", { nkeySeed: undefined, credentials: "SUNOSEED" }, /^credentials is not the content of/],
  ])("does not take %s, and the words say so without the secret", async (_, more, words) => {
    const answer = await tryWith(access(more));
    expect(answer).toMatch(words);
    expect(answer).not.toMatch(/SU[A-Z0-9]{4}/);
  });
});

describe("NATS that checks clients' certificates", () => {
  let url = "";
  beforeAll(async () => {
    url = await start(`tls { ${serverTls}, verify: true }`);
  });
  const tryClient = (tls: NatsAccess["tls"]): Promise<string> => tryWith({ servers: [toTls(url)], tls });

  it("takes one of its authority", async () => {
    expect(await tryClient({ caFile, certFile: certFile(client), keyFile: keyFile(client) })).toBe("connected");
  });

  it("takes no other, and the words name the file", async () => {
    expect(await tryClient({ caFile, certFile: certFile(client), keyFile: keyFile(stranger) })).toMatch(
      /^tls\.key_file is not the key of tls\.cert_file/,
    );
    expect(await tryClient({ caFile })).toMatch(/look at tls\.cert_file/);
  });
});

describe("NATS without TLS", () => {
  it("is not spoken to when the address or the config asks for TLS", async () => {
    const url = await start("");
    expect(await tryWith({ servers: [url] })).toBe("connected");
    expect(await tryWith({ servers: [toTls(url)] })).toMatch(/^NATS offers no TLS, and the config asks for it/);
    expect(await tryWith({ servers: [url], tls: { caFile } })).toMatch(/^NATS offers no TLS/);
  });
});

describe("NATS of an operator", () => {
  it("takes the .creds file of its account, and no other's", async () => {
    const operator = makeNatsOperator();
    const url = await start(operator.config);
    for (const credentials of [operator.credentials(), operator.credentials().trim()]) {
      expect(await tryWith({ servers: [url], credentials })).toBe("connected");
    }
    const other = makeNatsOperator().credentials();
    expect(await tryWith({ servers: [url], credentials: other })).toMatch(/^NATS refuses the credentials/);
  });

  it("gives replies under the prefix that the token allows, and under no other", async () => {
    const operator = makeNatsOperator();
    const url = await start(operator.config);
    const credentials = operator.credentials({ publish: ["$JS.API.INFO"], subscribe: ["_INBOX_one.>"] });
    expect(await tryWith({ servers: [url], credentials, inboxPrefix: "_INBOX_one" })).toBe("connected");
    expect(await tryWith({ servers: [url], credentials })).toMatch(/may not get replies: look at inbox_prefix/);
  });
});
