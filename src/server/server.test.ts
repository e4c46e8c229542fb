import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { InferenceService, ModelService, Role, rpcDetails, UsageService } from "../contract.ts";
import { startTestServer, type TestServer } from "./testing/start-test-server.ts";

const headers = { authorization: "Bearer good", "x-request-id": "caller-7" };
let test: TestServer;
beforeEach(async () => {
  test = await startTestServer();
});
afterEach(() => test.server.close(0));

function ask(model: string, text = "hello brave new 💥 world") {
  return { model, messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text } } }] }] };
}

const transports: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC-Web over HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ["gRPC-Web over HTTP/2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })],
  ["Connect over HTTP/2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
  ["Connect with JSON", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false })],
  ["Connect with GET", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true })],
];

/** What a caller can see of a failure. */
function seen(error: unknown) {
  const { code, rawMessage, metadata } = ConnectError.from(error);
  const connectError = ConnectError.from(error);
  const [info] = connectError.findDetails(rpcDetails.ErrorInfoSchema);
  return {
    code,
    rawMessage,
    pushback: metadata.get("grpc-retry-pushback-ms"),
    reason: info?.reason,
    metadata: info?.metadata,
    details: connectError.details.map((detail) => ("type" in detail ? detail.type : detail.desc.typeName)),
  };
}

async function failureOf(call: Promise<unknown>) {
  return call.then(
    () => {
      throw new Error("the call went well");
    },
    (error: unknown) => seen(error),
  );
}

describe.each(transports)("%s", (_name, connectTo) => {
  let client: Client<typeof InferenceService>;
  beforeEach(() => {
    client = createClient(InferenceService, connectTo(test.url));
  });

  it("completes, and names the call in the response headers", async () => {
    let received = new Headers();
    const onHeader = (header: Headers) => {
      received = header;
    };
    const response = await client.complete(ask("echo"), { headers, onHeader });
    expect(response.message?.parts[0]?.content.value).toMatchObject({ text: "hello brave new 💥 world" });
    expect(received.get("x-request-id")).toBe("caller-7");
    expect(received.get("llmgateway-response-id")).toBe("response-1");
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["ok"]);
  });

  it("streams every event in order and ends well", async () => {
    const kinds: unknown[] = [];
    let text = "";
    for await (const { sequence, event } of client.streamComplete(
      { start: { case: "request", value: ask("echo") } },
      { headers },
    )) {
      kinds.push(event.case);
      expect(sequence).toBe(kinds.length);
      text += event.case === "partDelta" && event.value.delta.case === "text" ? event.value.delta.value : "";
    }
    expect(text).toBe("hello brave new 💥 world");
    expect(kinds).toEqual(["started", "partStarted", ...Array(5).fill("partDelta"), "partEnded", "completed"]);
  });

  it("counts tokens", async () => {
    const { inputTokens } = await client.countTokens({ request: ask("echo") }, { headers });
    expect(inputTokens).toBe(1);
  });

  it("tells a failure with code, reason, pushback and details", async () => {
    expect(await failureOf(client.complete(ask("fail:PROVIDER_OVERLOADED"), { headers }))).toEqual({
      code: Code.Unavailable,
      rawMessage: "failed: 100 % – PROVIDER_OVERLOADED",
      pushback: "1500",
      reason: "PROVIDER_OVERLOADED",
      metadata: { providerMessage: "überlastet" },
      details: ["google.rpc.ErrorInfo", "google.rpc.RetryInfo"],
    });
  });

  it("tells a failure in mid-stream after the events that came before it", async () => {
    const kinds: unknown[] = [];
    const stream = client.streamComplete({ start: { case: "request", value: ask("break") } }, { headers });
    const drain = async () => {
      for await (const { event } of stream) {
        kinds.push(event.case);
      }
    };
    const failure = await failureOf(drain());
    expect(kinds).toHaveLength(7);
    expect(failure).toMatchObject({ code: Code.Aborted, reason: "STREAM_INTERRUPTED", pushback: "0" });
  });

  it("refuses a caller without a key before anything else, with no call opened", async () => {
    const failure = await failureOf(client.complete({}, { headers: { authorization: "Bearer bad" } }));
    expect(failure).toMatchObject({ code: Code.Unauthenticated, reason: "CREDENTIALS_INVALID", pushback: "-1" });
    expect(test.gateway.calls).toEqual([]);
  });

  it("names the fields of an invalid request and tells the call", async () => {
    const error = await client.complete({ model: "", messages: [] }, { headers }).catch((thrown: unknown) => thrown);
    const [badRequest] = ConnectError.from(error).findDetails(rpcDetails.BadRequestSchema);
    expect(badRequest?.fieldViolations.map(({ field }) => field)).toEqual(["model", "messages"]);
    expect(seen(error)).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_REQUEST" });
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["rejected"]);
  });

  it("refuses a message over the limit with PAYLOAD_TOO_LARGE, and tells the call", async () => {
    const failure = await failureOf(client.complete(ask("echo", "x".repeat(100_000)), { headers }));
    expect(failure).toMatchObject({ code: Code.InvalidArgument, reason: "PAYLOAD_TOO_LARGE" });
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["rejected"]);
  });

  it("tells nothing of a bug but an id", async () => {
    const failure = await failureOf(client.complete(ask("bug"), { headers }));
    expect(failure).toMatchObject({ code: Code.Internal, rawMessage: "internal error", reason: "INTERNAL" });
    expect(failure.details).toContain("google.rpc.RequestInfo");
    expect(JSON.stringify(failure) + test.logged.join()).not.toContain("sk-secret");
    expect(test.logged).toHaveLength(1);
  });

  it("gives operations that are not chat to the pipeline, and what they fail with to the caller", async () => {
    const inputs = [{ parts: [{ content: { case: "text" as const, value: { text: "hello" } } }] }];
    const failure = await failureOf(client.embed({ model: "fail:PROVIDER_OVERLOADED", inputs }, { headers }));
    expect(failure).toMatchObject({ code: Code.Unavailable, reason: "PROVIDER_OVERLOADED" });
    expect(test.gateway.calls.map(({ start }) => start.method)).toEqual(["Embed"]);
  });

  it("checks an operation by the rules of the contract before the pipeline sees it", async () => {
    const failure = await failureOf(client.embed({ model: "echo", inputs: [{ parts: [] }] }, { headers }));
    expect(failure).toMatchObject({ code: Code.InvalidArgument, reason: "INVALID_REQUEST" });
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["rejected"]);
  });

  it("streams speech piece by piece, and the facts last", async () => {
    const heard: string[] = [];
    let responseId = "";
    for await (const piece of client.streamSpeech({ model: "echo", text: "one two three" }, { headers })) {
      heard.push(new TextDecoder().decode(piece.data));
      responseId = piece.info?.responseId ?? "";
    }
    expect(heard).toEqual(["one", "two", "three", ""]);
    expect(responseId).toBe("response-1");
  });

  it("gives the deadline to the pipeline and cancels when the caller goes", async () => {
    const abort = new AbortController();
    const call = client.complete(ask("hang"), { headers, timeoutMs: 60_000, signal: abort.signal });
    const ended = call.catch(() => "cancelled");
    const { start } = await test.gateway.ended("open");
    expect(start.timeoutMs).toBeGreaterThan(50_000);
    abort.abort();
    await test.gateway.ended("cancelled");
    expect(await ended).toBe("cancelled");
  });

  it("cancels a stream whose reader goes", async () => {
    const abort = new AbortController();
    const options = { headers, signal: abort.signal };
    const read = async () => {
      for await (const { event } of client.streamComplete(
        { start: { case: "request", value: ask("hang") } },
        options,
      )) {
        if (event.case === "partDelta") {
          abort.abort();
        }
      }
    };
    expect(await failureOf(read())).toMatchObject({ code: Code.Canceled });
    await test.gateway.ended("cancelled");
  });

  it("stops the pipeline while the reader is slow, and resumes it", async () => {
    const abort = new AbortController();
    const options = { headers, signal: abort.signal };
    let events = 0;
    const read = async () => {
      for await (const _ of client.streamComplete({ start: { case: "request", value: ask("flood") } }, options)) {
        events += 1;
        if (events === 5000) {
          abort.abort();
        }
      }
    };
    expect(await failureOf(read())).toMatchObject({ code: Code.Canceled });
    const call = await test.gateway.ended("cancelled");
    expect(call.resumed).toBeGreaterThan(0);
    expect(call.pushed).toBeLessThan(100_000);
  });

  it("opens a call whose credential takes time to verify", async () => {
    test.gateway.openDelayMs = 5;
    const response = await client.complete(ask("echo"), { headers });
    expect(response.model).toBe("echo");
  });

  it("serves models and usage behind the same credential", async () => {
    const models = createClient(ModelService, connectTo(test.url));
    expect((await models.listModels({}, { headers })).models).toHaveLength(1);
    expect(await failureOf(models.getModel({ modelId: "echo" }))).toMatchObject({ reason: "CREDENTIALS_INVALID" });
    expect(await failureOf(models.getModel({ modelId: "other" }, { headers }))).toMatchObject({
      code: Code.NotFound,
      details: ["google.rpc.ErrorInfo", "google.rpc.ResourceInfo", "google.rpc.Help"],
    });
    expect(await failureOf(models.getModel({ modelId: "bug" }, { headers }))).toMatchObject({ reason: "INTERNAL" });
    expect(test.logged.join()).not.toContain("sk-secret");
  });

  it("refuses a message over the limit to every service with the same reason", async () => {
    const models = createClient(ModelService, connectTo(test.url));
    const failure = await failureOf(models.getModel({ modelId: "x".repeat(100_000) }, { headers }));
    expect(["PAYLOAD_TOO_LARGE", undefined]).toContain(failure.reason);
    expect(await failureOf(models.getModel({ modelId: "x".repeat(1000) }, { headers }))).toMatchObject({
      code: Code.InvalidArgument,
      reason: "INVALID_REQUEST",
    });
  });

  it("ends a watch of usage events when the server leaves", async () => {
    const usage = createClient(UsageService, connectTo(test.url));
    const watch = async () => {
      for await (const _ of usage.watchUsageEvents({}, { headers })) {
        void test.server.close(60_000);
      }
    };
    expect(await failureOf(watch())).toMatchObject({ code: Code.Unavailable, reason: "GATEWAY_OVERLOADED" });
  });

  it("ends calls that outlast the drain time with a failure that may be retried", async () => {
    const hanging = failureOf(client.complete(ask("hang"), { headers }));
    await test.gateway.ended("open");
    await test.server.close(10);
    expect(await hanging).toMatchObject({ code: Code.Unavailable, reason: "GATEWAY_OVERLOADED" });
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["cancelled"]);
  });
});
