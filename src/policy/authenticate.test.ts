import { hash } from "node:crypto";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import type { Config, KeyConfig } from "../config/config.ts";
import { ErrorReason } from "../contract.ts";
import type { Caller } from "../domain/principal.ts";
import { createAuthenticator } from "./authenticate.ts";
import { createKeyDirectory } from "./key-directory.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");
const issuer = "https://id.example.com";

const tenants: Config["tenants"] = {
  organisations: [{ id: "acme" }],
  teams: [{ id: "platform", organisationId: "acme" }],
  projects: [{ id: "search", teamId: "platform" }],
};

const searchCaller: Caller = {
  organisationId: "acme",
  teamId: "platform",
  projectId: "search",
  keyId: "search-prod",
  service: "",
  roles: ["inference"],
  models: ["support-chat"],
};

function keyWith(id: string, secret: string, rest: Partial<KeyConfig> = {}): KeyConfig {
  const digest = hash("sha256", secret, "hex");
  return { id, projectId: "search", digest, roles: ["inference"], models: ["support-chat"], disabled: false, ...rest };
}

type Setup = { readonly keys?: readonly KeyConfig[]; readonly authentication?: Partial<Config["authentication"]> };

function authenticatorWith(
  setup: Setup,
  fetchJwks: (url: string) => Promise<unknown> = () => Promise.reject(new Error()),
) {
  return createAuthenticator({
    keys: createKeyDirectory(setup.keys ?? [], tenants),
    tenants,
    authentication: { jwt: [], mtls: [], ...setup.authentication },
    fetchJwks,
  });
}

function startWith(authorization: string | undefined, peer?: { subject: string; uris: readonly string[] }) {
  return { header: (name: string) => (name === "authorization" ? authorization : undefined), peer };
}

const refused = expect.objectContaining({ reason: ErrorReason.CREDENTIALS_INVALID });

describe("virtual keys", () => {
  const authenticator = authenticatorWith({
    keys: [
      keyWith("search-prod", "good-secret"),
      keyWith("expired", "old-secret", { expiresAtMs: nowMs }),
      keyWith("disabled", "off-secret", { disabled: true }),
    ],
  });

  it("finds the caller with its project, team and organisation", () => {
    expect(authenticator.authenticate(startWith("Bearer good-secret"), nowMs)).toEqual(searchCaller);
  });

  it("takes the scheme in any case", () => {
    expect(authenticator.authenticate(startWith("bearer good-secret"), nowMs)).toEqual(searchCaller);
  });

  it.each([
    ["no header", undefined],
    ["an unknown key", "Bearer wrong"],
    ["an expired key", "Bearer old-secret"],
    ["a disabled key", "Bearer off-secret"],
    ["another scheme", "Basic good-secret"],
    ["no scheme", "good-secret"],
    ["an empty header", ""],
    ["two credentials in one header", "Bearer good-secret, Bearer wrong"],
    ["a secret with a line feed", "Bearer good-secret\n"],
    ["an oversized header", `Bearer ${"a".repeat(20_000)}`],
    ["the digest in place of the secret", `Bearer ${hash("sha256", "good-secret", "hex")}`],
  ])("refuses %s with the one error that tells nothing", async (_, header) => {
    let failure: unknown;
    try {
      await authenticator.authenticate(startWith(header), nowMs);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({
      reason: ErrorReason.CREDENTIALS_INVALID,
      message: "the credential is missing, wrong or no longer valid",
      cause: undefined,
    });
  });

  it("believes a key until its last millisecond", () => {
    const caller = authenticator.authenticate(startWith("Bearer old-secret"), nowMs - 1);
    expect(caller).toMatchObject({ keyId: "expired" });
  });

  it("forgets a removed key and the old secret of a rotated one at once", () => {
    const keys = createKeyDirectory([keyWith("a", "first"), keyWith("b", "second")], tenants);
    const changing = createAuthenticator({
      keys,
      tenants,
      authentication: { jwt: [], mtls: [] },
      fetchJwks: () => Promise.reject(new Error()),
    });
    keys.remove("a");
    keys.put(keyWith("b", "third"));
    expect(() => changing.authenticate(startWith("Bearer first"), nowMs)).toThrow(refused);
    expect(() => changing.authenticate(startWith("Bearer second"), nowMs)).toThrow(refused);
    expect(changing.authenticate(startWith("Bearer third"), nowMs)).toMatchObject({ keyId: "b" });
  });

  it("refuses a config in which two keys share a secret or an id", () => {
    expect(() => createKeyDirectory([keyWith("a", "same"), keyWith("b", "same")], tenants)).toThrow("same secret");
    expect(() => createKeyDirectory([keyWith("a", "one"), keyWith("a", "two")], tenants)).toThrow("two keys");
  });
});

describe("what a credential and its tenants allow", () => {
  const narrowTenants: Config["tenants"] = {
    organisations: [{ id: "acme", inputTokensMax: 1_000 }],
    teams: [{ id: "platform", organisationId: "acme", providers: ["openai", "claude"] }],
    projects: [{ id: "search", teamId: "platform", models: ["chat*"], inputModalities: ["text"] }],
  };
  const narrowed = {
    providers: ["claude"],
    models: ["chat-small"],
    inputModalities: ["text"],
    inputTokensMax: 1_000,
    outputTokensMax: 50,
  };
  const own = { providers: ["claude", "local"], models: ["chat-small", "other"], outputTokensMax: 50 };
  const { roles } = searchCaller;

  it("is what all of them allow, for keys and for certificates", () => {
    const authenticator = createAuthenticator({
      keys: createKeyDirectory([keyWith("search-prod", "good-secret", own)], narrowTenants),
      tenants: narrowTenants,
      authentication: { jwt: [], mtls: [{ subject: "CN=batch", projectId: "search", roles, ...own }] },
      fetchJwks: () => Promise.reject(new Error()),
    });
    expect(authenticator.authenticate(startWith("Bearer good-secret"), nowMs)).toMatchObject(narrowed);
    const peer = { subject: "CN=batch", uris: [] };
    expect(authenticator.authenticate(startWith(undefined, peer), nowMs)).toMatchObject(narrowed);
  });

  it("is all that the credential allows when the tenants say nothing", () => {
    const authenticator = authenticatorWith({ keys: [keyWith("search-prod", "good-secret", own)] });
    expect(authenticator.authenticate(startWith("Bearer good-secret"), nowMs)).toMatchObject(own);
  });
});

describe("client certificates", () => {
  const roles = ["inference"] as const;
  const authenticator = authenticatorWith({
    keys: [keyWith("search-prod", "good-secret")],
    authentication: {
      mtls: [
        { spiffe: "spiffe://acme/search/*", projectId: "search", roles, models: ["*"] },
        { subject: "CN=batch,O=acme", projectId: "search", roles, models: ["*"] },
      ],
    },
  });

  it("makes the SPIFFE id the service of the configured project", () => {
    const peer = { subject: "CN=x", uris: ["spiffe://acme/search/api"] };
    expect(authenticator.authenticate(startWith(undefined, peer), nowMs)).toMatchObject({
      projectId: "search",
      teamId: "platform",
      organisationId: "acme",
      keyId: "",
      service: "spiffe://acme/search/api",
    });
  });

  it("matches a whole subject", () => {
    const caller = authenticator.authenticate(startWith(undefined, { subject: "CN=batch,O=acme", uris: [] }), nowMs);
    expect(caller).toMatchObject({ service: "CN=batch,O=acme" });
  });

  it.each([
    ["another path", ["spiffe://acme/billing/api"]],
    ["the bare prefix", ["spiffe://acme/search/"]],
    ["a path that steps out", ["spiffe://acme/search/../billing/api"]],
    ["an escaped path", ["spiffe://acme/search/%2e%2e/billing"]],
    ["another trust domain", ["spiffe://acme.evil/search/api"]],
    ["two identities at once", ["spiffe://acme/search/api", "spiffe://acme/search/web"]],
    ["another scheme", ["https://acme/search/api"]],
  ])("refuses %s", (_, uris) => {
    expect(() => authenticator.authenticate(startWith(undefined, { subject: "CN=x", uris }), nowMs)).toThrow(refused);
  });

  it("never lets a certificate stand in for a wrong key", () => {
    const peer = { subject: "CN=batch,O=acme", uris: ["spiffe://acme/search/api"] };
    expect(() => authenticator.authenticate(startWith("Bearer wrong", peer), nowMs)).toThrow(refused);
  });
});

describe("tokens of an issuer", () => {
  type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
  let keys: Keys;
  let strangerKeys: Keys;
  let jwks: { keys: object[] };

  beforeAll(async () => {
    keys = await generateKeyPair("ES256", { extractable: true });
    strangerKeys = await generateKeyPair("ES256");
    jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: "one", alg: "ES256" }] };
  });

  const config = {
    issuer,
    audience: "llm-gateway",
    claims: { project: "app.prj", roles: "realm_access.roles", models: "https://acme.com/models" },
  };
  const goodClaims = {
    app: { prj: "search" },
    realm_access: { roles: ["inference", "usage", "made-up"] },
    "https://acme.com/models": "support-chat local-chat",
  };

  function tokenWith(claims: object = goodClaims, change: (token: SignJWT) => SignJWT = (token) => token): SignJWT {
    const token = new SignJWT({ ...claims })
      .setProtectedHeader({ alg: "ES256", kid: "one" })
      .setIssuer(issuer)
      .setAudience("llm-gateway")
      .setSubject("ada")
      .setExpirationTime(nowMs / 1000 + 600);
    return change(token);
  }

  function authenticatorOf(fetchJwks: (url: string) => Promise<unknown> = () => Promise.resolve(jwks)) {
    return authenticatorWith({ authentication: { jwt: [config] } }, fetchJwks);
  }

  it("maps claims by dotted path and by whole name", async () => {
    const token = await tokenWith().sign(keys.privateKey);
    expect(await authenticatorOf().authenticate(startWith(`Bearer ${token}`), nowMs)).toEqual({
      organisationId: "acme",
      teamId: "platform",
      projectId: "search",
      keyId: "",
      service: "ada",
      roles: ["inference", "usage"],
      models: ["support-chat", "local-chat"],
    });
  });

  it("answers at once for a token that was verified a moment ago, and not after its expiry", async () => {
    const token = await tokenWith(goodClaims, (one) => one.setExpirationTime(nowMs / 1000 + 30)).sign(keys.privateKey);
    const authenticator = authenticatorOf();
    await authenticator.authenticate(startWith(`Bearer ${token}`), nowMs);
    expect(authenticator.authenticate(startWith(`Bearer ${token}`), nowMs + 1)).toMatchObject({ projectId: "search" });
    await expect(authenticator.authenticate(startWith(`Bearer ${token}`), nowMs + 60_000)).rejects.toThrow(refused);
  });

  it.each<[string, (token: SignJWT) => SignJWT]>([
    ["another issuer", (token) => token.setIssuer("https://evil.example.com")],
    ["another audience", (token) => token.setAudience("billing")],
    ["an expired token", (token) => token.setExpirationTime(nowMs / 1000 - 60)],
    ["a token that is not valid yet", (token) => token.setNotBefore(nowMs / 1000 + 60)],
  ])("refuses %s", async (_, change) => {
    const token = await tokenWith(goodClaims, change).sign(keys.privateKey);
    await expect(authenticatorOf().authenticate(startWith(`Bearer ${token}`), nowMs)).rejects.toThrow(refused);
  });

  it("refuses a token without expiry", async () => {
    const token = await new SignJWT(goodClaims)
      .setProtectedHeader({ alg: "ES256", kid: "one" })
      .setIssuer(issuer)
      .setAudience("llm-gateway")
      .sign(keys.privateKey);
    await expect(authenticatorOf().authenticate(startWith(`Bearer ${token}`), nowMs)).rejects.toThrow(refused);
  });

  it("refuses a forged signature", async () => {
    const token = await tokenWith().sign(strangerKeys.privateKey);
    await expect(authenticatorOf().authenticate(startWith(`Bearer ${token}`), nowMs)).rejects.toThrow(refused);
  });

  it("refuses alg none, and a public key used as an HMAC secret", async () => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { ...goodClaims, iss: issuer, aud: "llm-gateway", exp: nowMs / 1000 + 600 };
    const unsigned = `${encode({ alg: "none" })}.${encode(claims)}.`;
    const confused = await new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", kid: "one" })
      .sign(new TextEncoder().encode(JSON.stringify(jwks.keys[0])));
    for (const token of [unsigned, confused]) {
      await expect(async () => authenticatorOf().authenticate(startWith(`Bearer ${token}`), nowMs)).rejects.toThrow(
        refused,
      );
    }
  });

  it.each([
    ["no project", {}],
    ["a project that is not ours", { app: { prj: "elsewhere" } }],
    ["a team that is not the project's", { app: { prj: "search" }, team: "billing" }],
  ])("refuses a token with %s", async (_, claims) => {
    const token = await tokenWith(claims).sign(keys.privateKey);
    await expect(authenticatorOf().authenticate(startWith(`Bearer ${token}`), nowMs)).rejects.toThrow(refused);
  });

  it("reaches the providers of the mapped claim, in any case, and none without it", async () => {
    const jwt = [{ ...config, claims: { ...config.claims, providers: "app.providers" } }];
    const authenticator = authenticatorWith({ authentication: { jwt } }, () => Promise.resolve(jwks));
    const providersOf = async (app: object) => {
      const token = await tokenWith({ ...goodClaims, app: { prj: "search", ...app } }).sign(keys.privateKey);
      return (await authenticator.authenticate(startWith(`Bearer ${token}`), nowMs)).providers;
    };
    expect(await providersOf({ providers: ["Claude", "openai"] })).toEqual(["claude", "openai"]);
    expect(await providersOf({})).toEqual([]);
  });

  it("gives no role that the mapped claim does not name", async () => {
    const token = await tokenWith({ app: { prj: "search" }, roles: ["platform"] }).sign(keys.privateKey);
    expect(await authenticatorOf().authenticate(startWith(`Bearer ${token}`), nowMs)).toMatchObject({ roles: [] });
  });

  it("asks for the key set once, and again for an unknown key id at most every half minute", async () => {
    let fetches = 0;
    let served: object = { keys: [] };
    const authenticator = authenticatorOf((url) => {
      expect(url).toBe("https://id.example.com/.well-known/jwks.json");
      fetches++;
      return Promise.resolve(served);
    });
    const token = await tokenWith().sign(keys.privateKey);
    const call = (atMs: number) => authenticator.authenticate(startWith(`Bearer ${token}`), atMs);
    await expect(call(nowMs)).rejects.toThrow(refused);
    await expect(call(nowMs + 1000)).rejects.toThrow(refused);
    expect(fetches).toBe(1);
    served = jwks; // The issuer has rotated its keys.
    expect(await call(nowMs + 31_000)).toMatchObject({ projectId: "search" });
    expect(fetches).toBe(2);
  });

  it("keeps serving with the last key set while the issuer is down", async () => {
    let isDown = false;
    const authenticator = authenticatorOf(() => (isDown ? Promise.reject(new Error("down")) : Promise.resolve(jwks)));
    const first = await tokenWith().sign(keys.privateKey);
    await authenticator.authenticate(startWith(`Bearer ${first}`), nowMs);
    isDown = true;
    const laterMs = nowMs + 3_600_000;
    const second = await tokenWith(goodClaims, (token) => token.setExpirationTime(laterMs / 1000 + 60)).sign(
      keys.privateKey,
    );
    expect(await authenticator.authenticate(startWith(`Bearer ${second}`), laterMs)).toMatchObject({ service: "ada" });
  });
});
