// The life of a virtual key, over a real process and a real gRPC client: made, used, limited, rotated, revoked.
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminKeys, InferenceService, ModelService, Role, UsageService } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor, otherAdminSecret, platformSecret } from "../admin-keys.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";

const { createKey, getKey, listKeys, updateKey, rotateKey, deleteKey } = adminKeys.KeyService.method;
const complete = InferenceService.method.complete;

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

const yaml = () => `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - { id: small, targets: [{ provider: sim, model: sim-small }] }
  - { id: large, targets: [{ provider: sim, model: sim-large }] }
usage: { journal: { durability: os } }
`;

beforeAll(async () => {
  simulator = await startSimulator();
  gateway = await startGateway({ yaml: yaml(), keys: keysFor() });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
});

function ask(model: string) {
  return {
    model,
    messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text: "Hi." } } }] }],
  };
}

const asAdmin = { secret: adminSecret };
const asOther = { secret: otherAdminSecret };
const asPlatform = { secret: platformSecret };

async function create(key: Parameters<typeof client.unary<typeof createKey.input, typeof createKey.output>>[1]["key"]) {
  const made = await client.unary(createKey, { key }, asAdmin);
  return { secret: made.secret, key: made.key ?? expect.fail("no key") };
}

describe("a key that an administrator makes", () => {
  it("opens the gateway at once, with the secret that is shown this once", async () => {
    const { secret, key } = await create({ displayName: "first" });
    expect(secret).toMatch(/^llmg_[\w-]{43}$/);
    expect(secret.startsWith(key.secretHint)).toBe(true);
    expect(key).toMatchObject({ projectId: "search", teamId: "platform", displayName: "first" });
    await client.unary(complete, ask("small"), { secret });
    const read = await client.unary(getKey, { keyId: key.keyId }, asAdmin);
    expect(read.key?.etag).toBe(key.etag);
    expect(read.key?.lastUseTime).toBeDefined();
    expect(JSON.stringify(read.key, (_, value) => (typeof value === "bigint" ? String(value) : value))).not.toContain(
      secret,
    );
  });

  it("names only the models that it may, and does not tell which others exist", async () => {
    const { secret } = await create({ allowedModels: ["sm*"] });
    await client.unary(complete, ask("small"), { secret });
    const models = await client.unary(ModelService.method.listModels, {}, { secret });
    expect(models.models.map(({ modelId }) => modelId)).toEqual(["small"]);
    const refused = { code: grpcStatus.PERMISSION_DENIED, reason: "MODEL_NOT_ALLOWED" };
    expect(await failureOf(client.unary(complete, ask("large"), { secret }))).toEqual(refused);
    expect(await failureOf(client.unary(complete, ask("nowhere"), { secret }))).toEqual(refused);
  });

  it("calls only the methods that it may", async () => {
    const { secret } = await create({ allowedMethods: ["llmgateway.v1.ModelService/*"] });
    await client.unary(ModelService.method.listModels, {}, { secret });
    const refused = { code: grpcStatus.PERMISSION_DENIED, reason: "PERMISSION_DENIED" };
    expect(await failureOf(client.unary(complete, ask("small"), { secret }))).toEqual(refused);
    expect(await failureOf(client.unary(listKeys, {}, { secret }))).toEqual(refused);
    expect(await failureOf(client.unary(UsageService.method.listUsageEvents, {}, { secret }))).toEqual(refused);
  });

  it("puts its labels onto every call", async () => {
    const { secret, key } = await create({ labels: { feature: "chat" } });
    await client.unary(complete, { ...ask("small"), labels: { feature: "forged", step: "one" } }, { secret });
    const usage = await client.unary(UsageService.method.listUsageEvents, { filter: { keyIds: [key.keyId] } }, asAdmin);
    expect(usage.events.map(({ labels }) => labels)).toEqual([{ feature: "chat", step: "one" }]);
  });

  it("ends when it expires, is disabled, or is deleted", async () => {
    const expired = await create({ expireTime: timestampFromMs(1_000) });
    const { secret, key } = await create({});
    const unknown = { code: grpcStatus.UNAUTHENTICATED, reason: "CREDENTIALS_INVALID" };
    expect(await failureOf(client.unary(complete, ask("small"), { secret: expired.secret }))).toEqual(unknown);
    await client.unary(updateKey, { key: { keyId: key.keyId, disabled: true } }, asAdmin);
    expect(await failureOf(client.unary(complete, ask("small"), { secret }))).toEqual(unknown);
    await client.unary(updateKey, { key: { keyId: key.keyId }, updateMask: { paths: ["disabled"] } }, asAdmin);
    await client.unary(complete, ask("small"), { secret });
    await client.unary(deleteKey, { keyId: key.keyId }, asAdmin);
    expect(await failureOf(client.unary(complete, ask("small"), { secret }))).toEqual(unknown);
    expect(await failureOf(client.unary(getKey, { keyId: key.keyId }, asAdmin))).toMatchObject({
      reason: "RESOURCE_NOT_FOUND",
    });
  });

  it("has two secrets while a rotation overlaps, and one without a grace period", async () => {
    const { secret, key } = await create({});
    const overlapping = await client.unary(rotateKey, { keyId: key.keyId, gracePeriodSeconds: 3600 }, asAdmin);
    await client.unary(complete, ask("small"), { secret });
    await client.unary(complete, ask("small"), { secret: overlapping.secret });
    const sharp = await client.unary(rotateKey, { keyId: key.keyId }, asAdmin);
    await client.unary(complete, ask("small"), { secret: sharp.secret });
    const gone = [secret, overlapping.secret].map((old) =>
      failureOf(client.unary(complete, ask("small"), { secret: old })),
    );
    expect((await Promise.all(gone)).map(({ reason }) => reason)).toEqual([
      "CREDENTIALS_INVALID",
      "CREDENTIALS_INVALID",
    ]);
  });
});

describe("an update", () => {
  it("changes the fields of its mask alone", async () => {
    const { key } = await create({ displayName: "before", labels: { a: "1" }, allowedModels: ["small"] });
    const wanted = { keyId: key.keyId, displayName: "after", allowedModels: ["large"] };
    const changed = await client.unary(
      updateKey,
      { key: wanted, updateMask: { paths: ["display_name", "labels"] } },
      asAdmin,
    );
    expect(changed.key).toMatchObject({ displayName: "after", allowedModels: ["small"], labels: {} });
  });

  it("is refused when somebody else was faster", async () => {
    const { key } = await create({});
    await client.unary(updateKey, { key: { keyId: key.keyId, etag: key.etag, displayName: "one" } }, asAdmin);
    const late = client.unary(updateKey, { key: { keyId: key.keyId, etag: key.etag, displayName: "two" } }, asAdmin);
    expect(await failureOf(late)).toEqual({ code: grpcStatus.ABORTED, reason: "CONFLICT" });
    expect((await client.unary(getKey, { keyId: key.keyId }, asAdmin)).key?.displayName).toBe("one");
  });

  it("cannot touch what is not the caller's to say", async () => {
    const { key } = await create({});
    const call = client.unary(
      updateKey,
      { key: { keyId: key.keyId, projectId: "other" }, updateMask: { paths: ["project_id"] } },
      asAdmin,
    );
    expect(await failureOf(call)).toEqual({ code: grpcStatus.INVALID_ARGUMENT, reason: "INVALID_REQUEST" });
  });
});

describe("a creation", () => {
  it("that is repeated with its request id makes one key and tells the same secret", async () => {
    const request = { key: { displayName: "once" }, requestId: "create-once" };
    const [first, second] = await Promise.all([
      client.unary(createKey, request, asAdmin),
      client.unary(createKey, request, asAdmin),
    ]);
    expect(second.secret).toBe(first.secret);
    expect(second.key?.keyId).toBe(first.key?.keyId);
    const other = client.unary(createKey, { ...request, key: { displayName: "twice" } }, asAdmin);
    expect(await failureOf(other)).toEqual({ code: grpcStatus.ALREADY_EXISTS, reason: "REQUEST_ID_REUSED" });
  });

  it("with an id that is taken is refused", async () => {
    await create({ keyId: "search-taken" });
    const again = client.unary(createKey, { key: { keyId: "search-taken" } }, asAdmin);
    expect(await failureOf(again)).toEqual({ code: grpcStatus.ABORTED, reason: "CONFLICT" });
  });

  it.each([
    ["a method that is not served", { allowedMethods: ["llmgateway.v1.InferenceService/Nothing"] }],
    ["a model that no id can be", { allowedModels: ["a b"] }],
    ["a budget that does not exist", { budgetIds: ["nothing"] }],
    ["a label that a request could not have", { labels: { "NOT ALLOWED": "1" } }],
    ["an id of another project", { keyId: "other-key" }],
    ["another team", { teamId: "elsewhere" }],
  ])("with %s is refused", async (_, key) => {
    expect(await failureOf(client.unary(createKey, { key }, asAdmin))).toMatchObject({ reason: "INVALID_REQUEST" });
  });

  it("with guardrails is refused, since none would run", async () => {
    expect(await failureOf(client.unary(createKey, { key: { guardrails: ["no-pii"] } }, asAdmin))).toMatchObject({
      reason: "FEATURE_DISABLED",
    });
  });
});

describe("an administrator", () => {
  it("sees, changes and deletes nothing of another project, and does not learn that it exists", async () => {
    const { key } = await create({});
    const { keyId } = key;
    const nothing = { code: grpcStatus.NOT_FOUND, reason: "RESOURCE_NOT_FOUND" };
    const attempts = [
      client.unary(getKey, { keyId }, asOther),
      client.unary(updateKey, { key: { keyId, disabled: true } }, asOther),
      client.unary(rotateKey, { keyId }, asOther),
      client.unary(deleteKey, { keyId }, asOther),
      client.unary(getKey, { keyId: "nothing-at-all" }, asOther),
      client.unary(createKey, { key: { projectId: "search" } }, asOther),
      client.unary(createKey, { key: { projectId: "nowhere" } }, asOther),
    ];
    expect(await Promise.all(attempts.map(failureOf))).toEqual(attempts.map(() => nothing));
    const listed = await client.unary(listKeys, { projectId: "search" }, asOther);
    expect(listed.keys).toEqual([]);
  });

  it("cannot make or take over a key that may more than itself", async () => {
    const mighty = { allowedMethods: ["llmgateway.admin.v1beta1.RouteService/*"] };
    const refused = { code: grpcStatus.PERMISSION_DENIED, reason: "PERMISSION_DENIED" };
    expect(await failureOf(client.unary(createKey, { key: mighty }, asAdmin))).toEqual(refused);
    const made = await client.unary(createKey, { key: { ...mighty, projectId: "search" } }, asPlatform);
    const keyId = made.key?.keyId ?? "";
    expect(await failureOf(client.unary(rotateKey, { keyId }, asAdmin))).toEqual(refused);
    expect(await failureOf(client.unary(deleteKey, { keyId }, asAdmin))).toEqual(refused);
  });

  it("cannot give away the correction of usage, which a key of the usage service does not have either", async () => {
    const refused = { code: grpcStatus.PERMISSION_DENIED, reason: "PERMISSION_DENIED" };
    const correction = { allowedMethods: [`${UsageService.typeName}/CorrectUsage`] };
    expect(await failureOf(client.unary(createKey, { key: correction }, asAdmin))).toEqual(refused);
    const correct = (secret: string) =>
      failureOf(client.unary(UsageService.method.correctUsage, { eventId: "none", reason: "r" }, { secret }));
    const all = await create({ allowedMethods: [`${UsageService.typeName}/*`] });
    expect(await correct(all.secret)).toEqual(refused);
    const given = await client.unary(createKey, { key: { ...correction, projectId: "search" } }, asPlatform);
    expect(await correct(given.secret)).toEqual({ code: grpcStatus.NOT_FOUND, reason: "RESOURCE_NOT_FOUND" });
    expect(await failureOf(client.unary(listKeys, {}, { secret: given.secret }))).toEqual(refused);
  });

  it("sees the keys of the configuration, and cannot change them", async () => {
    const { key } = await client.unary(getKey, { keyId: "search-admin" }, asAdmin);
    expect(key).toMatchObject({ projectId: "search", etag: "" });
    const change = client.unary(updateKey, { key: { keyId: "search-admin", disabled: true } }, asAdmin);
    expect(await failureOf(change)).toEqual({ code: grpcStatus.ABORTED, reason: "CONFLICT" });
  });
});

describe("the list of keys", () => {
  it("comes in pages, newest first, each key once", async () => {
    const made = [await create({}), await create({}), await create({})].map(({ key }) => key.keyId);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await client.unary(listKeys, { pageSize: 2, pageToken }, asPlatform);
      seen.push(...page.keys.map(({ keyId }) => keyId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((id) => made.includes(id)).toSorted()).toEqual(made.toSorted());
    expect(seen).toContain("other-admin");
  });

  it("refuses a token that it has not given", async () => {
    expect(await failureOf(client.unary(listKeys, { pageToken: "%%%" }, asAdmin))).toMatchObject({
      reason: "INVALID_REQUEST",
    });
  });
});

describe("keys and a restart", () => {
  it("are as they were", async () => {
    const own = await startGateway({ yaml: yaml(), keys: keysFor() });
    const before = new TestClient(own.port);
    const made = await before.unary(createKey, { key: { displayName: "lasting" } }, asAdmin);
    before.close();
    own.kill("SIGKILL");
    await own.exited;
    const next = await startGateway({ yaml: yaml(), keys: keysFor(), folder: own.folder });
    const after = new TestClient(next.port);
    await after.unary(complete, ask("small"), { secret: made.secret });
    const read = await after.unary(getKey, { keyId: made.key?.keyId ?? "" }, asAdmin);
    expect(read.key).toMatchObject({ displayName: "lasting", etag: made.key?.etag });
    after.close();
  });
});
