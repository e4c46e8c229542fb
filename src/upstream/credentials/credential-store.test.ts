import { generateKeyPairSync, verify } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { CredentialSource } from "../../config/config.ts";
import type { Credential } from "../../domain/credential.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { Retirement } from "./credential-parts.ts";
import { createCredentialStore, type ManagedCredentialStore } from "./credential-store.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Clock = { ms: number };

type Setting = { env?: Record<string, string>; clock?: Clock; onRetired?: (retirement: Retirement) => void };

function storeOf(
  credentials: CredentialSource,
  { env = {}, clock = { ms: 1_000_000 }, onRetired }: Setting = {},
): ManagedCredentialStore {
  const store = createCredentialStore([{ settings: { id: "p", kind: "openai" }, credentials }], {
    nowMs: () => clock.ms,
    env,
    onRetired,
  });
  cleanups.push(() => store.close());
  return store;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "credentials-"));
  cleanups.push(() => rmSync(path, { recursive: true }));
  return path;
}

type Seen = { method: string; url: string; headers: IncomingMessage["headers"]; body: string };

/** A loopback server that answers each request with the next answer, and the last one for ever. */
async function serve(...answers: { status?: number; body: string }[]): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes) => {
      body += bytes;
    });
    request.on("end", () => {
      seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers, body });
      const answer = answers[Math.min(seen.length, answers.length) - 1];
      response.writeHead(answer?.status ?? 200);
      response.end(answer?.body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`, seen };
}

async function failureOf(store: ManagedCredentialStore): Promise<ProviderFailure> {
  try {
    await store.credential("p");
  } catch (error) {
    if (error instanceof ProviderFailure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const apiKey = (...names: string[]): CredentialSource => ({ kind: "api-key", apiKeys: names.map((env) => ({ env })) });

describe("an API key", () => {
  it("comes from the environment at once, without the white space around it", () => {
    expect(storeOf(apiKey("KEY"), { env: { KEY: " k1\n" } }).credential("p")).toEqual({ kind: "api-key", value: "k1" });
  });

  it("that is not set fails with the name of the variable", async () => {
    const failure = await failureOf(storeOf(apiKey("KEY")));
    expect(failure.kind).toBe("credentials-rejected");
    expect(failure.message).toContain("KEY");
  });

  it("with characters that no header carries fails without being shown", async () => {
    const failure = await failureOf(storeOf(apiKey("KEY"), { env: { KEY: "se\ncret" } }));
    expect(failure.kind).toBe("credentials-rejected");
    expect(failure.message).not.toContain('cret"');
    expect(failure.message).not.toContain("se\n");
  });

  it("comes from a file, which is read again when it has changed, at most once a second", () => {
    const path = join(folder(), "key");
    writeFileSync(path, "k1\n");
    const clock = { ms: 1_000_000 };
    const store = storeOf({ kind: "api-key", apiKeys: [{ file: path }] }, { clock });
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
    writeFileSync(path, "k2\n");
    utimesSync(path, statSync(path).atime, new Date(Date.now() + 5_000));
    clock.ms += 999;
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
    clock.ms += 1;
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "k2" });
  });

  it("from a file outlives a moment without the file", () => {
    const path = join(folder(), "key");
    writeFileSync(path, "k1");
    const clock = { ms: 1_000_000 };
    const store = storeOf({ kind: "api-key", apiKeys: [{ file: path }] }, { clock });
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
    rmSync(path);
    clock.ms += 10_000;
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
  });

  it("comes from a command, whose output is used for a while", async () => {
    const path = join(folder(), "count");
    writeFileSync(path, "");
    const script = `const fs = require("fs"); fs.appendFileSync(${JSON.stringify(path)}, "x"); console.log("k" + fs.readFileSync(${JSON.stringify(path)}, "utf8").length)`;
    const clock = { ms: 1_000_000 };
    const store = storeOf({ kind: "api-key", apiKeys: [{ command: [process.execPath, "-e", script] }] }, { clock });
    const [one, other] = await Promise.all([store.credential("p"), store.credential("p")]);
    expect([one, other]).toEqual([
      { kind: "api-key", value: "k1" },
      { kind: "api-key", value: "k1" },
    ]);
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
    clock.ms += 3_600_000;
    expect(await store.credential("p")).toEqual({ kind: "api-key", value: "k2" });
  });

  it("from a command that fails shows nothing of its output", async () => {
    const command = [process.execPath, "-e", 'console.log("topsecret"); console.error("topsecret"); process.exit(3)'];
    const failure = await failureOf(storeOf({ kind: "api-key", apiKeys: [{ command }] }));
    expect(failure.message).toContain("exit code 3");
    expect(`${failure.message} ${String(failure.cause)}`).not.toContain("topsecret");
  });

  it("comes from a secret server, by the token and the field of the config, for as long as the lease", async () => {
    const answer = (key: string): { body: string } => ({
      body: JSON.stringify({ lease_duration: 60, data: { data: { key } } }),
    });
    const { url, seen } = await serve(answer("k1"), answer("k2"));
    const clock = { ms: 1_000_000 };
    const reference = {
      http: { url: `${url}/v1/secret?version=1`, field: "data.data.key", token: { env: "VAULT_TOKEN" } },
    };
    const store = storeOf({ kind: "api-key", apiKeys: [reference] }, { env: { VAULT_TOKEN: "t" }, clock });
    expect(await store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
    expect(seen).toMatchObject([
      { method: "GET", url: "/v1/secret?version=1", headers: { authorization: "Bearer t" } },
    ]);
    clock.ms += 40_000;
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
    clock.ms += 30_000;
    expect(await store.credential("p")).toEqual({ kind: "api-key", value: "k2" });
  });

  it("from a secret server that refuses fails with the status alone", async () => {
    const { url } = await serve({ status: 403, body: "topsecret" });
    const failure = await failureOf(storeOf({ kind: "api-key", apiKeys: [{ http: { url, field: "a" } }] }));
    expect(failure.message).toContain("403");
    expect(failure.message).not.toContain("topsecret");
  });

  it("that could not be had is not asked for again at once, but is a second later", async () => {
    const { url, seen } = await serve({ status: 500, body: "" }, { body: '{"a":"k1"}' });
    const clock = { ms: 1_000_000 };
    const store = storeOf({ kind: "api-key", apiKeys: [{ http: { url, field: "a" } }] }, { clock });
    await failureOf(store);
    await failureOf(store);
    expect(seen).toHaveLength(1);
    clock.ms += 1_000;
    expect(await store.credential("p")).toEqual({ kind: "api-key", value: "k1" });
  });
});

describe("several API keys", () => {
  it("the next one is used after a rate limit, and the first again later", async () => {
    const clock = { ms: 1_000_000 };
    const store = storeOf(apiKey("A", "B"), { env: { A: "a", B: "b" }, clock });
    const first = await store.credential("p");
    store.refused("p", first, "rate-limited");
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "b" });
    clock.ms += 60_000;
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "a" });
  });

  it("a refused one is retired, which is told without the key", async () => {
    const told: Retirement[] = [];
    const store = storeOf(apiKey("A", "B"), {
      env: { A: "a-secret", B: "b" },
      onRetired: (retirement) => told.push(retirement),
    });
    store.refused("p", await store.credential("p"), "credentials-rejected");
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "b" });
    expect(told).toMatchObject([{ providerId: "p", keyIndex: 0 }]);
    expect(JSON.stringify(told)).not.toContain("a-secret");
  });

  it("one that cannot be read does not keep the others from being used", async () => {
    expect(await storeOf(apiKey("A", "B"), { env: { B: "b" } }).credential("p")).toEqual({
      kind: "api-key",
      value: "b",
    });
  });

  it("when all are refused, one is still given", async () => {
    const store = storeOf(apiKey("A"), { env: { A: "a" } });
    store.refused("p", await store.credential("p"), "credentials-rejected");
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "a" });
  });

  it("a reload reads a rotated file and gives every key a new chance", async () => {
    const path = join(folder(), "key");
    writeFileSync(path, "old");
    const store = storeOf({ kind: "api-key", apiKeys: [{ file: path }, { env: "B" }] }, { env: { B: "b" } });
    store.refused("p", await store.credential("p"), "credentials-rejected");
    writeFileSync(path, "newer");
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "b" });
    store.reload();
    expect(store.credential("p")).toEqual({ kind: "api-key", value: "newer" });
  });
});

describe("Google", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

  it("a service account signs an assertion and gets a token, which is renewed before its end", async () => {
    const { url, seen } = await serve(
      { body: JSON.stringify({ access_token: "t1", expires_in: 3600 }) },
      { body: JSON.stringify({ access_token: "t2", expires_in: 3600 }) },
    );
    const json = JSON.stringify({
      type: "service_account",
      client_email: "me@example.iam",
      private_key: pem,
      token_uri: `${url}/token`,
    });
    const clock = { ms: 1_700_000_000_000 };
    const store = storeOf({ kind: "service-account", json: { env: "SA" } }, { env: { SA: json }, clock });
    expect(await store.credential("p")).toEqual({ kind: "access-token", value: "t1" });
    const assertion = new URLSearchParams(seen[0]?.body).get("assertion") ?? "";
    const [header = "", claims = "", signature = ""] = assertion.split(".");
    expect(
      verify("RSA-SHA256", Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, "base64url")),
    ).toBe(true);
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
      iss: "me@example.iam",
      aud: `${url}/token`,
      iat: 1_700_000_000,
    });
    clock.ms += 3_400_000;
    expect(store.credential("p")).toEqual({ kind: "access-token", value: "t1" });
    clock.ms += 200_000;
    expect(await store.credential("p")).toEqual({ kind: "access-token", value: "t2" });
  });

  it("a key that cannot sign fails without being shown", async () => {
    const json = JSON.stringify({ type: "service_account", client_email: "me", private_key: "topsecret" });
    const failure = await failureOf(storeOf({ kind: "service-account", json: { env: "SA" } }, { env: { SA: json } }));
    expect(`${failure.message} ${String(failure.cause)}`).not.toContain("topsecret");
  });

  it("JSON that is none fails without being shown", async () => {
    const failure = await failureOf(
      storeOf({ kind: "service-account", json: { env: "SA" } }, { env: { SA: "topsecret" } }),
    );
    expect(`${failure.message} ${String(failure.cause)}`).not.toContain("topsecret");
  });

  it("the metadata server gives a token to who asks with its header", async () => {
    const { url, seen } = await serve({ body: JSON.stringify({ access_token: "m1", expires_in: 600 }) });
    const store = storeOf({ kind: "metadata" }, { env: { GCE_METADATA_HOST: url.slice("http://".length) } });
    expect(await store.credential("p")).toEqual({ kind: "access-token", value: "m1" });
    expect(seen[0]?.headers["metadata-flavor"]).toBe("Google");
  });

  it("a refused token is fetched anew, once for all calls that were refused", async () => {
    const { url, seen } = await serve(
      { body: JSON.stringify({ access_token: "m1", expires_in: 6000 }) },
      { body: JSON.stringify({ access_token: "m2", expires_in: 6000 }) },
    );
    const clock = { ms: 1_000_000 };
    const store = storeOf({ kind: "metadata" }, { env: { GCE_METADATA_HOST: url.slice("http://".length) }, clock });
    const first = await store.credential("p");
    clock.ms += 10_000;
    for (let call = 0; call < 3; call += 1) store.refused("p", first, "credentials-rejected");
    const again = await Promise.all([store.credential("p"), store.credential("p")]);
    store.refused("p", first, "credentials-rejected");
    expect(again).toEqual([
      { kind: "access-token", value: "m2" },
      { kind: "access-token", value: "m2" },
    ]);
    await store.credential("p");
    expect(seen).toHaveLength(2);
  });
});

describe("AWS", () => {
  const keys: Credential = { kind: "aws", accessKeyId: "AKIA1", secretAccessKey: "s3cret", sessionToken: "tok" };

  it("static keys come at once", () => {
    const source: CredentialSource = {
      kind: "aws-static",
      accessKeyId: { env: "ID" },
      secretAccessKey: { env: "SECRET" },
      sessionToken: { env: "TOKEN" },
    };
    expect(storeOf(source, { env: { ID: "AKIA1", SECRET: "s3cret", TOKEN: "tok" } }).credential("p")).toEqual(keys);
  });

  it("static keys of which one is missing fail, whichever way the others come", async () => {
    const source: CredentialSource = {
      kind: "aws-static",
      accessKeyId: { command: [process.execPath, "-e", "process.exit(1)"] },
      secretAccessKey: { env: "SECRET" },
    };
    expect((await failureOf(storeOf(source))).kind).toBe("credentials-rejected");
  });

  it("a profile has its keys in the credentials file, or in the config file", async () => {
    const path = folder();
    writeFileSync(
      join(path, "credentials"),
      "[default]\naws_access_key_id = X\n\n[work]\naws_access_key_id = AKIA1\naws_secret_access_key = s3cret\naws_session_token=tok\n",
    );
    writeFileSync(
      join(path, "config"),
      "[profile other]\naws_access_key_id=AKIA1\naws_secret_access_key=s3cret\naws_session_token=tok\n",
    );
    const env = { AWS_SHARED_CREDENTIALS_FILE: join(path, "credentials"), AWS_CONFIG_FILE: join(path, "config") };
    expect(await storeOf({ kind: "aws-profile", profile: "work" }, { env }).credential("p")).toEqual(keys);
    expect(await storeOf({ kind: "aws-profile", profile: "other" }, { env }).credential("p")).toEqual(keys);
    const failure = await failureOf(storeOf({ kind: "aws-profile", profile: "default" }, { env }));
    expect(failure.message).toContain('"default"');
  });

  it("a profile may name a program that prints the keys", async () => {
    const path = folder();
    const program = join(path, "print keys");
    const answer = {
      Version: 1,
      AccessKeyId: "AKIA1",
      SecretAccessKey: "s3cret",
      SessionToken: "tok",
      Expiration: "2099-01-01T00:00:00Z",
    };
    writeFileSync(program, `#!${process.execPath}\nconsole.log(${JSON.stringify(JSON.stringify(answer))})\n`);
    chmodSync(program, 0o755);
    writeFileSync(join(path, "config"), `[default]\ncredential_process = "${program}" --x\n`);
    const env = { AWS_SHARED_CREDENTIALS_FILE: join(path, "none"), AWS_CONFIG_FILE: join(path, "config") };
    expect(await storeOf({ kind: "aws-profile", profile: "default" }, { env }).credential("p")).toEqual(keys);
  });

  it("a web identity takes the role with the token in the file", async () => {
    const token = join(folder(), "token");
    writeFileSync(token, "jwt\n");
    const xml =
      "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIA1</AccessKeyId>" +
      "<SecretAccessKey>s3cret</SecretAccessKey><SessionToken>tok</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>" +
      "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    const { url, seen } = await serve({ body: xml });
    const env = {
      AWS_ENDPOINT_URL_STS: url,
      AWS_ROLE_ARN: "arn:aws:iam::1:role/r",
      AWS_WEB_IDENTITY_TOKEN_FILE: token,
    };
    expect(await storeOf({ kind: "aws-web-identity" }, { env }).credential("p")).toEqual(keys);
    expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toMatchObject({
      Action: "AssumeRoleWithWebIdentity",
      RoleArn: "arn:aws:iam::1:role/r",
      WebIdentityToken: "jwt",
    });
  });

  it("a web identity that is refused fails with the code of STS", async () => {
    const token = join(folder(), "token");
    writeFileSync(token, "topsecret");
    const { url } = await serve({
      status: 400,
      body: "<Error><Code>ExpiredTokenException</Code><Message>topsecret</Message></Error>",
    });
    const env = { AWS_ENDPOINT_URL_STS: url, AWS_ROLE_ARN: "arn", AWS_WEB_IDENTITY_TOKEN_FILE: token };
    const failure = await failureOf(storeOf({ kind: "aws-web-identity" }, { env }));
    expect(failure.message).toContain("ExpiredTokenException");
    expect(failure.message).not.toContain("topsecret");
  });

  it("a container asks its endpoint with its token, and again before the keys end", async () => {
    const body = (id: string): { body: string } => ({
      body: JSON.stringify({
        AccessKeyId: id,
        SecretAccessKey: "s3cret",
        Token: "tok",
        Expiration: new Date(1_000_000 + 3_600_000).toISOString(),
      }),
    });
    const { url, seen } = await serve(body("AKIA1"), body("AKIA2"));
    const clock = { ms: 1_000_000 };
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/creds`, AWS_CONTAINER_AUTHORIZATION_TOKEN: "ct" };
    const store = storeOf({ kind: "aws-container" }, { env, clock });
    expect(await store.credential("p")).toEqual(keys);
    expect(seen).toMatchObject([{ url: "/creds", headers: { authorization: "ct" } }]);
    clock.ms += 3_600_001;
    expect(await store.credential("p")).toMatchObject({ accessKeyId: "AKIA2" });
  });

  it("a container's endpoint in clear text must be near", async () => {
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://example.com/creds" };
    expect((await failureOf(storeOf({ kind: "aws-container" }, { env }))).message).toContain("must be https");
  });
});

describe("the store", () => {
  it("gives nothing where nothing is needed", () => {
    expect(storeOf({ kind: "none" }).credential("p")).toEqual({ kind: "none" });
  });

  it("throws for a provider that is not configured", () => {
    expect(() => storeOf({ kind: "none" }).credential("other")).toThrow(/no provider "other"/);
  });
});
