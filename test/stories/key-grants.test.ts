// What a key lets its calls be beside the models that it names: providers, modalities, sizes. Over a real process, a real
// gRPC client and the simulator on real HTTP.
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminKeys, InferenceService, Modality, ModelService, Role } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor, platformSecret } from "../admin-keys.ts";
import { auditRecordLike } from "../audit-records.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";

const { createKey, getKey, rotateKey, updateKey } = adminKeys.KeyService.method;
const {
  complete,
  streamComplete,
  countTokens,
  embed,
  explain,
  rerank,
  moderate,
  generateImages,
  transcribe,
  streamSpeech,
} = InferenceService.method;
const { listModels, getModel } = ModelService.method;

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

beforeAll(async () => {
  simulator = await startSimulator();
  gateway = await startGateway({ keys: keysFor(), yaml: yaml() });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
});

function yaml(): string {
  const key = "credentials: { api_key: { env: TEST_PROVIDER_KEY } }";
  return `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", ${key} }
  - { id: claude, kind: anthropic, base_url: "${simulator.url}", ${key} }
models:
  - { id: both, targets: [{ provider: sim, model: sim-small, region: us }, { provider: claude, model: sim-small, region: eu }] }
  - { id: failing, targets: [{ provider: claude, model: sim-fail-500 }], fallback_models: [only-sim] }
  - { id: only-sim, targets: [{ provider: sim, model: sim-small }] }
usage: { journal: { durability: os } }
`;
}

const asAdmin = { secret: adminSecret };
type KeyInit = Parameters<typeof client.unary<typeof createKey.input, typeof createKey.output>>[1]["key"];

async function keyWith(key: KeyInit): Promise<{ readonly secret: string; readonly keyId: string }> {
  const made = await client.unary(createKey, { key }, asAdmin);
  return { secret: made.secret, keyId: made.key?.keyId ?? "" };
}

const text = { content: { case: "text" as const, value: { text: "Hi." } } };

function ask(model: string, rest: object = {}) {
  return { model, messages: [{ role: Role.USER, parts: [text] }], ...rest };
}

/** Rejects with how the stream failed. */
async function ended(stream: Parameters<typeof collect>[0]): Promise<void> {
  const { error } = await collect(stream);
  if (error !== undefined) throw error;
}

const notAllowed = { code: grpcStatus.PERMISSION_DENIED, reason: "MODEL_NOT_ALLOWED" };
const refused = { code: grpcStatus.PERMISSION_DENIED, reason: "PERMISSION_DENIED" };

describe("a key that lists providers", () => {
  it("is served by them alone, whichever model and fallback it names", async () => {
    const { secret } = await keyWith({ allowedProviders: ["Claude"] });
    const { attempts } = (await client.unary(complete, ask("both"), { secret })) as {
      attempts: { targetId: string }[];
    };
    expect(attempts.map(({ targetId }) => targetId)).toEqual(["claude/sim-small"]);
    const failure = await failureOf(client.unary(complete, ask("failing"), { secret }));
    expect(failure.reason).toBe("PROVIDER_UNAVAILABLE");
    const wide = await client.unary(complete, ask("failing"), asAdmin);
    expect(wide.attempts.at(-1)?.targetId).toBe("sim/sim-small");
  });

  it("is refused what only others serve, by every method, as if it were not there", async () => {
    const { secret, keyId } = await keyWith({ allowedProviders: ["claude"] });
    const call = { secret };
    for (const model of ["only-sim", "nowhere"]) {
      const attempts = [
        client.unary(complete, ask(model), call),
        ended(client.stream(streamComplete, { start: { case: "request", value: ask(model) } }, call)),
        client.unary(countTokens, { request: ask(model) }, call),
        client.unary(explain, { request: ask(model) }, call),
        client.unary(complete, ask("both", { routing: { fallbackModels: [model] } }), call),
        client.unary(embed, { model, inputs: [{ parts: [text] }] }, call),
        client.unary(rerank, { model, query: "a", documents: ["b"] }, call),
        client.unary(moderate, { model, parts: [text] }, call),
        client.unary(generateImages, { model, prompt: "a" }, call),
        client.unary(transcribe, { model, audio: { source: { case: "data", value: new Uint8Array(9) } } }, call),
        ended(client.stream(streamSpeech, { model, text: "a" }, call)),
        client.unary(getModel, { modelId: model }, call),
      ];
      expect(await Promise.all(attempts.map(failureOf))).toEqual(attempts.map(() => notAllowed));
    }
    await auditRecordLike(gateway, {
      kind: "model.denied",
      reason: "MODEL_NOT_ALLOWED",
      resource: "model/only-sim",
      caller: { project: "search", key: keyId, service: "" },
    });
  });

  it("sees only models that it can reach, and nothing of other providers in them", async () => {
    const { secret } = await keyWith({ allowedProviders: ["anthropic"] });
    const { models } = await client.unary(listModels, {}, { secret });
    expect(models.map(({ modelId }) => modelId)).toEqual(["both", "failing"]);
    expect(models[0]).toMatchObject({ providers: ["anthropic"], regions: ["eu"] });
    const explained = await client.unary(explain, { request: ask("both") }, { secret });
    expect(explained).toMatchObject({ limitedByCredential: true, excludedTargets: [] });
    expect(explained.targets.map(({ targetId }) => targetId)).toEqual(["claude/sim-small"]);
  });

  it("may wish for fewer, and learns nothing by wishing for others", async () => {
    const { secret } = await keyWith({ allowedProviders: ["claude"] });
    const wish = (provider: string) =>
      failureOf(client.unary(complete, ask("both", { routing: { allowedProviders: [provider] } }), { secret }));
    expect(await wish("sim")).toEqual(await wish("no-such-provider"));
  });

  it("changes like the rest of a key", async () => {
    const { secret, keyId } = await keyWith({ allowedProviders: ["claude"] });
    const change = { key: { keyId, allowedProviders: ["sim"] }, updateMask: { paths: ["allowed_providers"] } };
    await client.unary(updateKey, change, asAdmin);
    await client.unary(complete, ask("only-sim"), { secret });
    const open = await client.unary(updateKey, { key: { keyId }, updateMask: change.updateMask }, asAdmin);
    expect(open.key?.allowedProviders).toEqual([]);
    const wrong = { key: { keyId, allowedProviders: ["no spaces"] } };
    expect((await failureOf(client.unary(updateKey, wrong, asAdmin))).reason).toBe("INVALID_REQUEST");
  });
});

describe("options in a provider's own words", () => {
  it("name no model, no tier and no longer answer behind what a key may", async () => {
    const { secret } = await keyWith({ allowedModels: ["both"], maxOutputTokens: 5 });
    const call = { secret };
    const invalid = { code: grpcStatus.INVALID_ARGUMENT, reason: "INVALID_REQUEST" };
    const forged = [{ model: "sim-large" }, { max_tokens: 1_000 }, { service_tier: "priority" }].map((options) => ({
      providerOptions: { openai: options, sim: options },
    }));
    const attempts = forged.flatMap((options) => [
      client.unary(complete, ask("both", options), call),
      client.unary(countTokens, { request: ask("both", options) }, call),
      client.unary(explain, { request: ask("both", options) }, call),
      ended(client.stream(streamComplete, { start: { case: "request", value: ask("both", options) } }, call)),
      client.unary(embed, { model: "both", inputs: [{ parts: [text] }], context: options }, call),
      ended(client.stream(streamSpeech, { model: "both", text: "a", context: options }, call)),
    ]);
    expect(await Promise.all(attempts.map(failureOf))).toEqual(attempts.map(() => invalid));
    await client.unary(complete, ask("both", { providerOptions: { openai: { verbosity: "low" } } }), call);
  });
});

describe("a key that lists modalities and sizes", () => {
  it("may hold and ask for nothing else, and each refusal is on record", async () => {
    const { secret, keyId } = await keyWith({
      allowedInputModalities: [Modality.TEXT],
      allowedOutputModalities: [Modality.TEXT],
      maxInputTokens: 100,
    });
    const image = {
      content: {
        case: "image" as const,
        value: { source: { case: "data" as const, value: new Uint8Array(9) }, mediaType: "image/png" },
      },
    };
    const picture = { model: "both", messages: [{ role: Role.USER, parts: [text, image] }] };
    const long = ask("both", {
      messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "word ".repeat(400) } } }] }],
    });
    const attempts = [
      client.unary(complete, picture, { secret }),
      client.unary(explain, { request: picture }, { secret }),
      client.unary(complete, ask("both", { outputModalities: [Modality.AUDIO] }), { secret }),
      client.unary(embed, { model: "only-sim", inputs: [{ parts: [text] }] }, { secret }),
      client.unary(generateImages, { model: "only-sim", prompt: "a" }, { secret }),
      client.unary(complete, long, { secret }),
      client.unary(countTokens, { request: long }, { secret }),
    ];
    expect(await Promise.all(attempts.map(failureOf))).toEqual(attempts.map(() => refused));
    await client.unary(complete, ask("both"), { secret });
    await auditRecordLike(gateway, {
      kind: "permission.denied",
      resource: "method/llmgateway.v1.InferenceService/Complete",
      caller: { project: "search", key: keyId, service: "" },
    });
  });

  it("bounds every answer", async () => {
    const { secret } = await keyWith({ maxOutputTokens: 5 });
    expect(
      await failureOf(client.unary(complete, ask("both", { sampling: { maxOutputTokens: 6 } }), { secret })),
    ).toEqual(refused);
    const { usage } = await client.unary(complete, ask("both"), { secret });
    expect(usage?.outputTokens).toBeLessThanOrEqual(5);
  });
});

describe("an administrator whose own key is limited", () => {
  it("cannot make, widen or take over a key that may more than itself", async () => {
    const methods = ["llmgateway.admin.v1beta1.KeyService/*", "llmgateway.v1.InferenceService/*"];
    const { secret } = await keyWith({ allowedMethods: methods, allowedProviders: ["claude"], maxOutputTokens: 100 });
    const own = { allowedProviders: ["claude"], maxOutputTokens: 50 };
    const made = await client.unary(createKey, { key: own }, { secret });
    const keyId = made.key?.keyId ?? "";
    const wide = await keyWith({});
    const attempts = [
      client.unary(createKey, { key: {} }, { secret }),
      client.unary(createKey, { key: { ...own, allowedProviders: ["sim"] } }, { secret }),
      client.unary(createKey, { key: { ...own, maxOutputTokens: 101 } }, { secret }),
      client.unary(updateKey, { key: { keyId }, updateMask: { paths: ["allowed_providers"] } }, { secret }),
      client.unary(rotateKey, { keyId: wide.keyId }, { secret }),
    ];
    expect(await Promise.all(attempts.map(failureOf))).toEqual(attempts.map(() => refused));
    const read = await client.unary(getKey, { keyId }, { secret: platformSecret });
    expect(read.key).toMatchObject(own);
  });
});

describe("a team that lists providers", () => {
  it("keeps every key of its projects to them, also those that an administrator makes without a list", async () => {
    const narrow = await startGateway({ keys: keysFor(), yaml: yaml(), teamGrant: "providers: [claude]" });
    const narrowClient = new TestClient(narrow.port);
    try {
      const { secret } = await narrowClient.unary(createKey, { key: { allowedProviders: ["sim", "claude"] } }, asAdmin);
      for (const call of [asAdmin, { secret }]) {
        const { attempts } = await narrowClient.unary(complete, ask("both"), call);
        expect(attempts.map(({ targetId }) => targetId)).toEqual(["claude/sim-small"]);
        expect(await failureOf(narrowClient.unary(complete, ask("only-sim"), call))).toEqual(notAllowed);
      }
      await narrowClient.unary(createKey, { key: {} }, asAdmin);
    } finally {
      narrowClient.close();
    }
  });
});
