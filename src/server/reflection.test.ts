import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { health, InferenceService, reflectionV1, reflectionV1alpha } from "../contract.ts";
import { startTestServer, type TestServer } from "./testing/start-test-server.ts";

let test: TestServer;
beforeAll(async () => {
  test = await startTestServer();
});
afterAll(() => test.server.close(0));

type V1Question = reflectionV1.ServerReflectionRequest["messageRequest"];

async function ask(messageRequest: V1Question) {
  const client = createClient(reflectionV1.ServerReflection, createGrpcTransport({ baseUrl: test.url }));
  async function* questions() {
    yield { host: "h", messageRequest };
  }
  for await (const { messageResponse, originalRequest } of client.serverReflectionInfo(questions())) {
    expect(originalRequest?.host).toBe("h");
    return messageResponse;
  }
  throw new Error("no answer");
}

async function filesFor(question: V1Question) {
  const answer = await ask(question);
  if (answer.case !== "fileDescriptorResponse") {
    throw new Error(`not a file: ${answer.case}`);
  }
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
}

function dependenciesFirst(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const sorted = new Set<FileDescriptorProto>();
  const visit = (file: FileDescriptorProto) => {
    for (const dependency of files.filter(({ name }) => file.dependency.includes(name))) {
      visit(dependency);
    }
    sorted.add(file);
  };
  files.forEach(visit);
  return [...sorted];
}

describe("reflection", () => {
  it("lists the registered services only", async () => {
    const answer = await ask({ case: "listServices", value: "" });
    const names = answer.case === "listServicesResponse" ? answer.value.service.map(({ name }) => name) : [];
    expect(names).toEqual([
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "llmgateway.usage.v1.UsageService",
      "llmgateway.v1.InferenceService",
      "llmgateway.v1.ModelService",
    ]);
  });

  it("answers v1alpha as v1", async () => {
    const client = createClient(reflectionV1alpha.ServerReflection, createGrpcTransport({ baseUrl: test.url }));
    async function* questions() {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
    }
    for await (const { messageResponse } of client.serverReflectionInfo(questions())) {
      expect(messageResponse.case).toBe("listServicesResponse");
    }
  });

  it("gives a file that a client can build from, rules of the contract included", async () => {
    const files = await filesFor({ case: "fileContainingSymbol", value: "llmgateway.v1.InferenceService.Complete" });
    expect(files[0]?.name).toBe("llmgateway/v1/inference_service.proto");
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: dependenciesFirst(files) }));
    expect(registry.getService("llmgateway.v1.InferenceService")?.methods).toHaveLength(
      InferenceService.methods.length,
    );
    expect(files.map(({ name }) => name)).toContain("buf/validate/validate.proto");
  });

  it.each([
    "llmgateway.v1.CompleteRequest",
    "llmgateway.v1.ROLE_USER",
    "llmgateway.v1.Part.image",
    "buf.validate.field",
    "google.rpc.ErrorInfo",
    "llmgateway.v1.AttemptFailures",
  ])("finds the symbol %s", async (value) => {
    expect((await filesFor({ case: "fileContainingSymbol", value })).length).toBeGreaterThan(0);
  });

  it("finds files by name and extensions by number", async () => {
    const [byName] = await filesFor({ case: "fileByFilename", value: "buf/validate/validate.proto" });
    expect(byName?.package).toBe("buf.validate");
    const containingType = "google.protobuf.FieldOptions";
    const numbers = await ask({ case: "allExtensionNumbersOfType", value: containingType });
    const found = numbers.case === "allExtensionNumbersResponse" ? numbers.value.extensionNumber : [];
    expect(found).toContain(1159);
    const value = { containingType, extensionNumber: 1159 } as const;
    const client = createClient(reflectionV1.ServerReflection, createGrpcTransport({ baseUrl: test.url }));
    async function* questions() {
      yield { messageRequest: { case: "fileContainingExtension" as const, value } };
    }
    for await (const { messageResponse } of client.serverReflectionInfo(questions())) {
      expect(messageResponse.case).toBe("fileDescriptorResponse");
    }
  });

  it("says what it does not know, and goes on", async () => {
    expect(await ask({ case: "fileContainingSymbol", value: "no.Such" })).toMatchObject({ value: { errorCode: 5 } });
    expect(await ask({ case: "fileByFilename", value: "no.proto" })).toMatchObject({ value: { errorCode: 5 } });
    expect(await ask({ case: undefined })).toMatchObject({ value: { errorCode: 3 } });
  });
});

describe("health", () => {
  const serving = health.HealthCheckResponse_ServingStatus;

  it("says for each service whether it serves, and knows no others", async () => {
    const client = createClient(health.Health, createGrpcTransport({ baseUrl: test.url }));
    expect((await client.check({ service: InferenceService.typeName })).status).toBe(serving.SERVING);
    await expect(client.check({ service: "no.Such" })).rejects.toThrow("not_found");
    test.isReady = false;
    expect((await client.check({})).status).toBe(serving.NOT_SERVING);
    test.isReady = true;
    expect(Object.keys((await client.list({})).statuses)).toContain("llmgateway.v1.ModelService");
  });

  it("tells watchers that it leaves, and lets them go", async () => {
    const leaving = await startTestServer();
    const client = createClient(health.Health, createGrpcTransport({ baseUrl: leaving.url }));
    const told: number[] = [];
    for await (const { status } of client.watch({})) {
      told.push(status);
      if (status === serving.SERVING) {
        void leaving.server.close(60_000);
      }
    }
    expect(told).toEqual([serving.SERVING, serving.NOT_SERVING]);
  });
});
