// Every method of the contract, tried by those who may not: without a credential, with one that does not hold, and with one
// of another role. A method that is added is tried too, or this file says that it is not.
import { hash } from "node:crypto";
import type { DescMessage, DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as adminPrompts from "../../gen/llmgateway/admin/v1beta1/prompt_service_pb.ts";
import * as workflows from "../../gen/llmgateway/workflow/v1beta1/workflow_service_pb.ts";
import {
  adminBudgets,
  adminKeys,
  adminRoutes,
  InferenceService,
  ModelService,
  Role,
  UsageService,
} from "../../src/contract.ts";
import { adminSecret, keysFor, otherAdminSecret, platformSecret } from "../admin-keys.ts";
import { auditRecordLike, auditRecords } from "../audit-records.ts";
import { type GatewayProcess, startGateway, stopGateways, testSecret } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";

/** Of a key that may read usage, and no more. */
const watcherSecret = "test-watcher";

let gateway: GatewayProcess;
let client: TestClient;

beforeAll(async () => {
  gateway = await startGateway({
    keys: `${keysFor()}\n  - { id: watcher, project: search, digest: "sha256:${hash("sha256", watcherSecret, "hex")}", roles: [usage] }`,
    yaml: `
providers: [{ id: nowhere, kind: openai, base_url: "http://127.0.0.1:9", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }]
models: [{ id: small, targets: [{ provider: nowhere, model: sim-small }] }]
usage: { journal: { durability: os } }
`,
  });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
});

type Method = DescMethod & { readonly input: DescMessage; readonly output: DescMessage };

const served = [
  InferenceService,
  ModelService,
  UsageService,
  adminKeys.KeyService,
  adminBudgets.BudgetService,
  adminRoutes.RouteService,
];
const methodsOf = (services: readonly { readonly methods: readonly DescMethod[] }[]): readonly Method[] =>
  services.flatMap(({ methods }) => methods as readonly Method[]);
const nameOf = (method: Method): string => `${method.parent.typeName}/${method.name}`;

/** How a call of any kind ended. */
function endOf(method: Method, request: MessageInitShape<DescMessage>, secret: string) {
  return new Promise<{ code: number; reason: string | undefined; messages: number }>((resolve) => {
    let messages = 0;
    const stream = client.stream(method, request, { secret, deadlineMs: 5_000 });
    stream.on("data", () => {
      messages += 1;
    });
    stream.on("error", (error: ServiceError) =>
      resolve({ code: error.code, reason: detailsOf(error).info?.reason, messages }),
    );
    stream.on("end", () => resolve({ code: 0, reason: undefined, messages }));
  });
}

const part = { content: { case: "text" as const, value: { text: "hi" } } };
const chat = { model: "small", messages: [{ role: Role.USER, parts: [part] }] };
/** Requests that keep the rules of the contract, so that it is the credential that is refused. */
const requests: Readonly<Record<string, Record<string, unknown>>> = {
  Complete: chat,
  StreamComplete: { start: { case: "request", value: chat } },
  CountTokens: { request: chat },
  Explain: { request: chat },
  Embed: { model: "small", inputs: [{ parts: [part] }] },
  Rerank: { model: "small", query: "q", documents: ["d"] },
  Moderate: { model: "small", parts: [part] },
  GenerateImages: { model: "small", prompt: "p" },
  StreamSpeech: { model: "small", text: "t", voice: "v" },
  CorrectUsage: { eventId: "no-such-event", reason: "r" },
  Transcribe: { model: "small", audio: { source: { case: "data", value: new Uint8Array(4) }, mediaType: "audio/wav" } },
};
const requestOf = (method: Method) => create(method.input, requests[method.name] ?? {});

const unauthenticated = { code: grpcStatus.UNAUTHENTICATED, reason: "CREDENTIALS_INVALID", messages: 0 };
const denied = { code: grpcStatus.PERMISSION_DENIED, reason: "PERMISSION_DENIED", messages: 0 };

describe.each(methodsOf(served).map((method) => [nameOf(method), method] as const))("%s", (_, method) => {
  it("is closed without a credential, and with one that does not hold", async () => {
    for (const secret of ["", "llmg_guessed", `${testSecret}x`, testSecret.slice(0, -1)]) {
      expect(await endOf(method, requestOf(method), secret)).toEqual(unauthenticated);
    }
  });
});

/** Whom a service refuses, of the keys that exist. */
const strangers: readonly (readonly [string, readonly Method[], readonly string[]])[] = [
  ["inference", methodsOf([InferenceService]), [watcherSecret]],
  [
    "administration of keys and budgets",
    methodsOf([adminKeys.KeyService, adminBudgets.BudgetService]),
    [testSecret, watcherSecret],
  ],
  ["routes", methodsOf([adminRoutes.RouteService]), [testSecret, adminSecret, otherAdminSecret]],
  [
    "corrections of usage",
    methodsOf([UsageService]).filter(({ name }) => name === "CorrectUsage"),
    [testSecret, watcherSecret, adminSecret, otherAdminSecret],
  ],
];

describe.each(strangers)("%s", (_, methods, secrets) => {
  it.each(methods.map((method) => [nameOf(method), method] as const))(
    "%s is closed to other roles",
    async (name, method) => {
      for (const secret of secrets) expect(await endOf(method, requestOf(method), secret)).toEqual(denied);
      await auditRecordLike(gateway, { kind: "permission.denied", resource: `method/${name}` });
    },
  );
});

describe("what is not served", () => {
  it.each(
    methodsOf([adminPrompts.PromptService, workflows.WorkflowService]).map(
      (method) => [nameOf(method), method] as const,
    ),
  )("%s is not there, for nobody", async (_, method) => {
    for (const secret of [testSecret, adminSecret, platformSecret]) {
      const end = await endOf(method, create(method.input), secret);
      expect(end).toMatchObject({ code: grpcStatus.UNIMPLEMENTED, messages: 0 });
    }
  });
});

it("each refusal is on record, and none has a credential in it", async () => {
  await auditRecordLike(gateway, { kind: "authentication.denied", reason: "CREDENTIALS_INVALID" });
  expect(JSON.stringify(auditRecords(gateway))).not.toMatch(/llmg_guessed|test-secret|test-admin|test-platform/);
});
