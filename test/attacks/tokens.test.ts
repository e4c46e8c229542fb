// Tokens that must not open the gateway, over a real process and a real issuer. Each is refused in the same words, and on
// record.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { status as grpcStatus } from "@grpc/grpc-js";
import { base64url, type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyAudit } from "../../src/admin/audit/verify-audit.ts";
import { InferenceService, Role, UsageService } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { auditFolder, auditRecordLike, auditRecords } from "../audit-records.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways, testSecret } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";

const complete = InferenceService.method.complete;
const audience = "llm-gateway";

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;
let identity: Server;
let issuer: string;
let ours: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey };
let theirs: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey };
let ourJwk: JWK;
/** Requests to addresses that a token named. */
const lured: string[] = [];

beforeAll(async () => {
  simulator = await startSimulator();
  [ours, theirs] = await Promise.all([generateKeyPair("RS256", { extractable: true }), generateKeyPair("RS256")]);
  ourJwk = { ...(await exportJWK(ours.publicKey)), kid: "ours", alg: "RS256" };
  identity = createServer((request, response) => {
    if (request.url !== "/.well-known/jwks.json") lured.push(request.url ?? "");
    response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: [ourJwk] }));
  });
  await once(identity.listen(0, "127.0.0.1"), "listening");
  issuer = `http://127.0.0.1:${(identity.address() as AddressInfo).port}`;
  gateway = await startGateway({
    yaml: `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models: [{ id: small, targets: [{ provider: sim, model: sim-small }] }]
authentication: { jwt: [{ issuer: "${issuer}", audience: ${audience}, claims: { project: prj, roles: roles } }] }
usage: { journal: { durability: os } }
`,
  });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
  identity?.close();
});

type TokenChange = {
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
  readonly key?: CryptoKey | Uint8Array;
};

function tokenOf({ header = {}, claims = {}, key = ours.privateKey }: TokenChange = {}): Promise<string> {
  const nowSeconds = Math.floor(Date.now() / 1_000);
  return new SignJWT({
    iss: issuer,
    aud: audience,
    sub: "svc",
    prj: "search",
    roles: ["inference"],
    iat: nowSeconds,
    exp: nowSeconds + 600,
    ...claims,
  })
    .setProtectedHeader({ alg: "RS256", kid: "ours", ...header })
    .sign(key);
}

function encode(value: unknown): string {
  return base64url.encode(JSON.stringify(value));
}

async function withoutSignature(alg: string): Promise<string> {
  const [, payload = ""] = (await tokenOf()).split(".");
  return `${encode({ alg, kid: "ours" })}.${payload}.`;
}

/** The public key, which everybody knows, used as the secret of an HMAC. */
async function confused(secret: string): Promise<string> {
  return tokenOf({ header: { alg: "HS256" }, key: new TextEncoder().encode(secret) });
}

async function withOtherPayload(): Promise<string> {
  const [header = "", payload = "", signature = ""] = (await tokenOf()).split(".");
  const claims = JSON.parse(new TextDecoder().decode(base64url.decode(payload))) as Record<string, unknown>;
  return `${header}.${encode({ ...claims, roles: ["platform"] })}.${signature}`;
}

function ask(model = "small") {
  const content = { case: "text" as const, value: { text: "Hi." } };
  return { model, messages: [{ role: Role.USER, parts: [{ content }] }] };
}

const past = () => Math.floor(Date.now() / 1_000) - 3_600;

const attacks: readonly (readonly [string, () => Promise<string>])[] = [
  ["signed by somebody else under our key's name", () => tokenOf({ key: theirs.privateKey })],
  ["expired", () => tokenOf({ claims: { exp: past() } })],
  ["not valid yet", () => tokenOf({ claims: { nbf: Math.floor(Date.now() / 1_000) + 3_600 } })],
  ["without an end", () => tokenOf({ claims: { exp: undefined } })],
  ["of an issuer that is not trusted", () => tokenOf({ claims: { iss: "https://evil.example" } })],
  ["of an issuer whose name begins like ours", () => tokenOf({ claims: { iss: `${issuer}.evil.example` } })],
  ["for another audience", () => tokenOf({ claims: { aud: "another-service" } })],
  ["without an audience", () => tokenOf({ claims: { aud: undefined } })],
  ["without a signature (alg none)", () => withoutSignature("none")],
  ["without a signature (alg NoNe)", () => withoutSignature("NoNe")],
  ["without a signature under our algorithm", () => withoutSignature("RS256")],
  ["whose HMAC was made with our public key as PEM", async () => confused(await exportSPKI(ours.publicKey))],
  ["whose HMAC was made with our public key as JWK", () => confused(JSON.stringify(ourJwk))],
  ["whose HMAC was made with an empty secret", () => confused("\0")],
  ["whose payload was changed", withOtherPayload],
  [
    "that brings its own key",
    async () => tokenOf({ header: { kid: "theirs", jwk: await exportJWK(theirs.publicKey) }, key: theirs.privateKey }),
  ],
  [
    "that names its own key set",
    () => tokenOf({ header: { kid: "theirs", jku: `${issuer}/evil.json` }, key: theirs.privateKey }),
  ],
  ["whose key id is a path", () => tokenOf({ header: { kid: "../../../dev/null" }, key: theirs.privateKey })],
  [
    "with an extension that must be understood",
    () => tokenOf({ header: { crit: ["exp"] } }).catch(() => "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsiYiJdfQ.e30.AA"),
  ],
  ["for no project", () => tokenOf({ claims: { prj: undefined } })],
  ["that is rubbish", async () => "eyJ.eyJ.eyJ"],
];

describe("a token", () => {
  it("opens the gateway when everything about it is right", async () => {
    await client.unary(complete, ask(), { secret: await tokenOf() });
  });

  it.each(attacks)("%s is refused, on every method", async (_, forge) => {
    const secret = await forge();
    const refused = { code: grpcStatus.UNAUTHENTICATED, reason: "CREDENTIALS_INVALID" };
    expect(await failureOf(client.unary(complete, ask(), { secret }))).toEqual(refused);
    expect(await failureOf(client.unary(UsageService.method.listUsageEvents, {}, { secret }))).toEqual(refused);
  });

  it("cannot make the gateway fetch what it names", () => {
    expect(lured).toEqual([]);
  });

  it("with roles of its own invention has none", async () => {
    const secret = await tokenOf({ claims: { roles: ["root", "Platform", "inference "] } });
    expect(await failureOf(client.unary(complete, ask(), { secret }))).toMatchObject({
      code: grpcStatus.PERMISSION_DENIED,
    });
    await auditRecordLike(gateway, { kind: "permission.denied", reason: "PERMISSION_DENIED" });
  });
});

describe("the record of all that", () => {
  it("has the number of every refusal, and neither tokens nor secrets, in one unbroken chain", async () => {
    const before = attacks.length * 2;
    gateway.kill("SIGTERM");
    await gateway.exited;
    const denied = auditRecords(gateway).filter(({ kind }) => kind === "authentication.denied");
    expect(denied.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(before);
    expect(JSON.stringify(auditRecords(gateway))).not.toMatch(/eyJ|test-secret/);
    expect(gateway.lines.join("\n")).not.toContain(testSecret);
    expect((await verifyAudit(auditFolder(gateway))).kind).toBe("whole");
  });
});
