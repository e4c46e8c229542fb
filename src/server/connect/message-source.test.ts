// What callers hear of messages that cannot be read, when they speak Connect: compressed, in an address, in JSON.
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTestServer, type TestServer } from "../testing/start-test-server.ts";

let test: TestServer;
beforeEach(async () => {
  test = await startTestServer();
});
afterEach(() => test.server.close(0));

const inference = "llmgateway.v1.InferenceService";
const models = "llmgateway.v1.ModelService";
const ask = { model: "echo", messages: [{ role: "ROLE_USER", parts: [{ text: { text: "hi" } }] }] };

type ConnectError = { code?: string; details?: { type: string; debug?: { reason?: string } }[] };

function post(
  method: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${test.url}/${method}`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", authorization: "Bearer good", ...headers },
  });
}

function get(method: string, query: Record<string, string>): Promise<Response> {
  return fetch(`${test.url}/${method}?${new URLSearchParams(query)}`, { headers: { authorization: "Bearer good" } });
}

function compressed(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(JSON.stringify(value)));
}

async function failureOf(response: Response) {
  const { code, details } = (await response.json()) as ConnectError;
  return { code, reason: details?.find(({ type }) => type === "google.rpc.ErrorInfo")?.debug?.reason };
}

async function violationsOf(response: Response): Promise<string> {
  return JSON.stringify(((await response.json()) as ConnectError).details?.map(({ debug }) => debug));
}

const invalid = { code: "invalid_argument", reason: "INVALID_REQUEST" };

describe("a compressed body", () => {
  it("is read, and answered without compression", async () => {
    const response = await post(`${inference}/Complete`, compressed(ask), { "content-encoding": "gzip" });
    expect(await response.json()).toMatchObject({ model: "echo" });
    expect(response.headers.get("content-encoding")).toBeNull();
  });

  it.each([
    ["is no gzip", Buffer.from("no gzip"), "gzip", invalid],
    ["expands past the limit", compressed("x".repeat(8 << 20)), "gzip", { ...invalid, reason: "PAYLOAD_TOO_LARGE" }],
    ["is compressed otherwise", compressed(ask), "br", { code: "unimplemented", reason: "FEATURE_DISABLED" }],
  ])("that %s is refused with a reason by every service", async (_name, body, encoding, expected) => {
    for (const method of [`${inference}/Complete`, `${models}/ListModels`]) {
      const response = await post(method, new Uint8Array(body), { "content-encoding": encoding });
      expect(await failureOf(response)).toEqual(expected);
    }
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["rejected"]);
  });
});

describe("a message in the address", () => {
  it.each([
    ["JSON", { encoding: "json", message: '{"modelId":"echo"}' }],
    ["base64", { encoding: "json", base64: "1", message: Buffer.from('{"modelId":"echo"}').toString("base64url") }],
    ["gzip", { encoding: "json", base64: "1", compression: "gzip", message: gzipOf('{"modelId":"echo"}') }],
  ])("is read as %s", async (_name, query) => {
    const response = await get(`${models}/GetModel`, { connect: "v1", ...query });
    expect(await response.json()).toEqual({ model: { modelId: "echo" } });
  });

  it.each([
    ["is missing", { encoding: "json" }],
    ["is no base64", { encoding: "json", base64: "1", message: "***" }],
    ["is no JSON", { encoding: "json", message: "{" }],
    ["is no protobuf", { encoding: "proto", message: "garbage" }],
    ["is no gzip", { encoding: "json", compression: "gzip", message: "{}" }],
  ])("that %s is refused with a reason by every service", async (_name, query) => {
    for (const method of [`${models}/GetModel`, `${inference}/CountTokens`]) {
      expect(await failureOf(await get(method, { connect: "v1", ...query }))).toEqual(invalid);
    }
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["rejected"]);
  });

  it("is not taken by a method that has effects", async () => {
    const response = await get(`${inference}/Complete`, { connect: "v1", encoding: "json", message: "{}" });
    expect(response.status).toBe(405);
    expect(test.gateway.calls).toEqual([]);
  });
});

describe("JSON", () => {
  it("with a field that the contract does not have is refused, and the field is named", async () => {
    const response = await post(`${inference}/Complete`, JSON.stringify({ ...ask, maxtokens: 5 }));
    const violations = await violationsOf(response);
    expect(violations).toContain("maxtokens");
    expect(violations).toContain("is no field of the contract");
  });

  it("with a value of the wrong kind is refused, the field is named, and the value is not told", async () => {
    const response = await post(`${inference}/Complete`, JSON.stringify({ ...ask, model: ["sk-secret"] }));
    const violations = await violationsOf(response);
    expect(violations).toContain('"model"');
    expect(violations).not.toContain("sk-secret");
  });
});

describe("a time limit that cannot be read", () => {
  it.each([`${inference}/Complete`, `${models}/ListModels`])("is refused with a reason by %s", async (method) => {
    const response = await post(method, JSON.stringify(ask), { "connect-timeout-ms": "soon" });
    expect(await failureOf(response)).toEqual(invalid);
    expect(test.gateway.calls).toEqual([]);
  });

  it("ends the call too when only the library finds it", async () => {
    const limits = { "grpc-timeout": "30S", "connect-timeout-ms": "soon" };
    const response = await post(`${inference}/Complete`, JSON.stringify(ask), limits);
    expect(response.status).toBe(400);
    await test.gateway.ended("rejected");
  });
});

describe("a content type of the other kind of method", () => {
  it.each([
    ["StreamComplete", "application/json"],
    ["Complete", "application/connect+json"],
  ])("is refused by %s before a call is opened", async (method, contentType) => {
    const response = await post(`${inference}/${method}`, "{}", { "content-type": contentType });
    expect(response.status).toBe(415);
    expect(test.gateway.calls).toEqual([]);
  });
});

function gzipOf(text: string): string {
  return gzipSync(text).toString("base64url");
}
