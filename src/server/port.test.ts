import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp } from "node:net";
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { credentials, Metadata, makeGenericClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  CompleteRequestSchema,
  CompleteResponseSchema,
  Role,
  rpcDetails,
  rpcStatus,
  StreamCompleteRequestSchema,
} from "../contract.ts";
import { startTestServer, type TestServer } from "./testing/start-test-server.ts";

const path = "/llmgateway.v1.InferenceService/Complete";
const streamPath = "/llmgateway.v1.InferenceService/StreamComplete";
let test: TestServer;
beforeEach(async () => {
  test = await startTestServer({
    maxRequestBytes: 128 * 1024,
    timeouts: { firstByteMs: 150, headersMs: 150, pingIntervalMs: 100, pingTimeoutMs: 100 },
  });
});
afterEach(() => test.server.close(0));

function askBytes(model: string, text = "hello"): Buffer {
  const content = { case: "text", value: { text } } as const;
  const messages = [{ role: Role.USER, parts: [{ content }] }];
  return Buffer.from(toBinary(CompleteRequestSchema, create(CompleteRequestSchema, { model, messages })));
}

function askStreamBytes(model: string): Buffer {
  const value = fromBinary(CompleteRequestSchema, askBytes(model));
  const request = create(StreamCompleteRequestSchema, { start: { case: "request", value } });
  return Buffer.from(toBinary(StreamCompleteRequestSchema, request));
}

function frame(message: Buffer, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

type RawAnswer = {
  readonly status: number;
  readonly grpcStatus: string | undefined;
  readonly reason: string | undefined;
};

/** One call with exactly these bytes; the answer is read from headers or trailers. */
async function callRaw(body: Buffer, extra: Record<string, string> = {}): Promise<RawAnswer> {
  const session = connectHttp2(test.url);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    authorization: "Bearer good",
    ...extra,
  });
  stream.on("error", () => undefined);
  let status = 0;
  let told: Record<string, unknown> = {};
  stream.on("response", (headers) => {
    status = Number(headers[":status"]);
    told = { ...told, ...headers };
  });
  stream.on("trailers", (headers) => {
    told = { ...told, ...headers };
  });
  stream.resume();
  stream.end(body);
  await once(stream, "close");
  session.close();
  const details = told["grpc-status-details-bin"];
  const grpcStatus = told["grpc-status"];
  return {
    status,
    grpcStatus: grpcStatus === undefined ? undefined : String(grpcStatus),
    reason: typeof details === "string" ? reasonOf(Buffer.from(details, "base64")) : undefined,
  };
}

function reasonOf(details: Uint8Array): string | undefined {
  const [first] = fromBinary(rpcStatus.StatusSchema, details).details;
  return first === undefined ? undefined : fromBinary(rpcDetails.ErrorInfoSchema, first.value).reason;
}

/** Sends bytes on a fresh connection and gives back what came until it was closed. */
async function talk(bytes: string | Buffer): Promise<string> {
  const socket = connectTcp(test.server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  const received: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  socket.write(bytes);
  await once(socket, "close");
  return Buffer.concat(received).toString("latin1");
}

async function expectAlive(): Promise<void> {
  expect(await callRaw(frame(askBytes("echo")))).toEqual({ status: 200, grpcStatus: "0", reason: undefined });
}

describe("raw gRPC", () => {
  it.each([
    ["no message", Buffer.alloc(0), "INVALID_REQUEST"],
    ["half a frame header", Buffer.from([0, 0]), "INVALID_REQUEST"],
    ["a cut message", frame(askBytes("echo")).subarray(0, -3), "INVALID_REQUEST"],
    ["two messages", Buffer.concat([frame(askBytes("echo")), frame(askBytes("echo"))]), "INVALID_REQUEST"],
    ["a compressed message without an encoding", frame(askBytes("echo"), 1), "INVALID_REQUEST"],
    ["garbage", frame(Buffer.from("this is no protobuf")), "INVALID_REQUEST"],
    ["text that is not UTF-8", frame(Buffer.from([0x0a, 2, 0xc3, 0x28])), "INVALID_REQUEST"],
    ["a length over the limit", Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), "PAYLOAD_TOO_LARGE"],
    ["a message over the limit", frame(askBytes("echo", "x".repeat(200_000))), "PAYLOAD_TOO_LARGE"],
  ])("answers %s with INVALID_ARGUMENT and tells the call", async (_name, body, reason) => {
    expect(await callRaw(body)).toEqual({ status: 200, grpcStatus: "3", reason });
    expect(test.gateway.calls.map((call) => [call.outcome, call.failure !== undefined])).toEqual([["rejected", true]]);
    await expectAlive();
  });

  it.each([
    ["an answer", path, frame(askBytes("unencodable")), "ok"],
    ["an event", streamPath, frame(askStreamBytes("unencodable")), "cancelled"],
  ])("ends with INTERNAL when %s has no binary form, and logs it", async (_name, method, body, outcome) => {
    expect(await callRaw(body, { ":path": method })).toEqual({ status: 200, grpcStatus: "13", reason: "INTERNAL" });
    expect(test.gateway.calls.map((call) => call.outcome)).toEqual([outcome]);
    expect(test.logged).toHaveLength(1);
  });

  it("refuses a large message before it has come when the caller's limit is used up, and reads a small one", async () => {
    const limit = { "x-fake-limit": "used-up" };
    const announced = frame(askBytes("echo", "x".repeat(70_000))).subarray(0, 1_000);
    expect(await callRaw(announced, limit)).toMatchObject({ reason: "RATE_LIMITED" });
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["rejected"]);
    expect(await callRaw(frame(askBytes("echo")), limit)).toMatchObject({ grpcStatus: "0" });
  });

  it("refuses a message that only became large when it was expanded likewise", async () => {
    const body = frame(gzipSync(askBytes("echo", "x".repeat(70_000))), 1);
    const gzip = { "grpc-encoding": "gzip" };
    expect(await callRaw(body, { ...gzip, "x-fake-limit": "used-up" })).toMatchObject({ reason: "RATE_LIMITED" });
    expect(await callRaw(body, gzip)).toMatchObject({ grpcStatus: "0" });
  });

  it("reads large messages of many calls at once, each wholly", async () => {
    await test.server.close(0);
    test = await startTestServer({ maxRequestBytes: 4 << 20 });
    const body = frame(askBytes("echo", "x".repeat(3 << 20)));
    const answers = await Promise.all(Array.from({ length: 8 }, () => callRaw(body)));
    expect(answers.map(({ grpcStatus }) => grpcStatus)).toEqual(Array.from({ length: 8 }, () => "0"));
  });

  it("refuses a time limit that cannot be read", async () => {
    expect(await callRaw(frame(askBytes("echo")), { "grpc-timeout": "soon" })).toMatchObject({ grpcStatus: "3" });
  });

  it("says of an unknown method that it is not implemented", async () => {
    const answer = await callRaw(frame(askBytes("echo")), { ":path": "/llmgateway.v1.InferenceService/Nonsense" });
    expect(answer).toEqual({ status: 200, grpcStatus: "12", reason: "FEATURE_DISABLED" });
  });

  it("refuses a content type that is not served", async () => {
    expect(await callRaw(frame(askBytes("echo")), { "content-type": "text/plain" })).toMatchObject({ status: 415 });
  });

  it("refuses a compression other than gzip, and says which it takes", async () => {
    const answer = await callRaw(frame(askBytes("echo")), { "grpc-encoding": "deflate" });
    expect(answer).toEqual({ status: 200, grpcStatus: "12", reason: "FEATURE_DISABLED" });
    expect(test.gateway.calls).toEqual([]);
  });

  it.each([
    ["a message in gzip", gzipSync(askBytes("echo")), 1],
    ["a message that was not worth it", askBytes("echo"), 0],
  ])("reads %s", async (_name, message, flag) => {
    const answer = await callRaw(frame(message, flag), { "grpc-encoding": "gzip" });
    expect(answer).toEqual({ status: 200, grpcStatus: "0", reason: undefined });
  });

  it.each([
    ["no gzip", Buffer.from("not at all"), 1, "INVALID_REQUEST"],
    ["gzip that was cut off", gzipSync(askBytes("echo")).subarray(0, -9), 1, "INVALID_REQUEST"],
    ["a little gzip of a lot", gzipSync(Buffer.alloc(8 << 20)), 1, "PAYLOAD_TOO_LARGE"],
    ["flags of no meaning", gzipSync(askBytes("echo")), 3, "INVALID_REQUEST"],
  ])("answers %s with INVALID_ARGUMENT and tells the call", async (_name, message, flag, reason) => {
    const answer = await callRaw(frame(message, flag), { "grpc-encoding": "gzip" });
    expect(answer).toEqual({ status: 200, grpcStatus: "3", reason });
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["rejected"]);
    await expectAlive();
  });

  it("refuses headers that are too long with a status", async () => {
    const answer = await callRaw(frame(askBytes("echo")), { baggage: "x".repeat(40_000) });
    expect(answer).toEqual({ status: 200, grpcStatus: "3", reason: "PAYLOAD_TOO_LARGE" });
  });

  it("cancels the call when the stream is reset, once", async () => {
    const session = connectHttp2(test.url);
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc" };
    const stream = session.request({ ...headers, authorization: "Bearer good" });
    stream.end(frame(askBytes("hang")));
    await test.gateway.ended("open");
    stream.close(constants.NGHTTP2_CANCEL);
    await test.gateway.ended("cancelled");
    session.close();
    await expectAlive();
  });

  it("lets go of a caller that it refuses, though its request never ends", async () => {
    const session = connectHttp2(test.url);
    const headers = { ":method": "POST", ":path": streamPath, "content-type": "application/grpc" };
    const stream = session.request({ ...headers, authorization: "Bearer bad" });
    stream.on("error", () => undefined);
    stream.resume();
    stream.write(Buffer.from([0, 0]));
    await once(stream, "close");
    expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
    session.destroy();
  });

  it("rejects a call whose caller goes before the message has come", async () => {
    const session = connectHttp2(test.url);
    const headers = { ":method": "POST", ":path": streamPath, "content-type": "application/grpc" };
    const stream = session.request({ ...headers, authorization: "Bearer good" });
    stream.write(Buffer.from([0, 0]));
    await test.gateway.ended("open");
    session.destroy();
    await test.gateway.ended("rejected");
  });
});

describe("@grpc/grpc-js", () => {
  const Client = makeGenericClientConstructor(
    {
      Complete: {
        path,
        requestStream: false,
        responseStream: false,
        requestSerialize: (value: Buffer) => value,
        requestDeserialize: (value: Buffer) => value,
        responseSerialize: (value: Buffer) => value,
        responseDeserialize: (value: Buffer) => value,
      },
    },
    "InferenceService",
  );

  function complete(bytes: Buffer, key = "good"): Promise<Buffer> {
    const client = new Client(`127.0.0.1:${test.server.port}`, credentials.createInsecure());
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${key}`);
    return new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (value: Buffer) => value,
        (value: Buffer) => value,
        bytes,
        metadata,
        (error: ServiceError | null, value?: Buffer) => (value === undefined ? reject(error) : resolve(value)),
      );
    }).finally(() => client.close());
  }

  it("completes", async () => {
    const response = fromBinary(CompleteResponseSchema, await complete(askBytes("echo")));
    expect(response.message?.role).toBe(Role.ASSISTANT);
  });

  it("hears why, while it still sends a request that is larger than the windows", async () => {
    const large = askBytes("echo", "x".repeat(20 << 20));
    expect(await complete(large).catch((thrown: unknown) => thrown)).toMatchObject({ code: 3 });
    expect(await complete(large, "bad").catch((thrown: unknown) => thrown)).toMatchObject({ code: 16 });
    await expectAlive();
  });

  it("reads code, message and details of a failure", async () => {
    const error = await complete(askBytes("fail:MODEL_NOT_ALLOWED")).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 7, details: "failed: 100 % – MODEL_NOT_ALLOWED" });
  });
});

describe("the port", () => {
  it("answers garbage with 400, and goes on", async () => {
    expect(await talk("\x01\x02 nonsense\r\n\r\n")).toContain("400 Bad Request");
    await expectAlive();
  });

  it("closes a connection that stays silent, or says only half of what it speaks", async () => {
    expect(await talk("")).toBe("");
    expect(await talk("PR")).toBe("");
    await expectAlive();
  });

  it.each([
    ["half a preface", "PRI * HTT"],
    ["a whole one, and never answers a PING", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"],
  ])("closes an HTTP/2 connection that sends %s", async (_name, bytes) => {
    await talk(bytes);
    await expectAlive();
  });

  it("turns connections away when it has as many as it may", async () => {
    const small = await startTestServer({ maxConnections: 1 });
    const first = connectTcp(small.server.port, "127.0.0.1");
    await once(first, "connect");
    first.write("GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    await once(first, "data");
    const second = connectTcp(small.server.port, "127.0.0.1");
    second.on("error", () => undefined);
    await once(second, "close");
    first.destroy();
    await small.server.close(0);
  });

  it("closes half a request after its time", async () => {
    expect(await talk("POST / HTTP/1.1\r\nhost: a\r\ncontent-le")).toContain("408 Request Timeout");
  });

  it("refuses TLS when it has no certificate", async () => {
    expect(await talk(Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]))).toBe("");
  });

  it("takes a request that comes byte by byte", async () => {
    const socket = connectTcp(test.server.port, "127.0.0.1");
    const received: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    for (const byte of "GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n") {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await once(socket, "close");
    expect(Buffer.concat(received).toString()).toContain("200 OK");
  });

  it("answers HTTP/1.1 headers that are too long with 431", async () => {
    const answer = await talk(`GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(40_000)}\r\n\r\n`);
    expect(answer).toContain("431 Request Header Fields Too Large");
  });

  it("refuses gRPC over HTTP/1.1", async () => {
    const headers = { "content-type": "application/grpc" };
    expect((await fetch(`${test.url}${path}`, { method: "POST", headers })).status).toBe(505);
  });

  it("serves probes and metrics, and says when it is not ready", async () => {
    const statusOf = async (address: string) => (await fetch(`${test.url}${address}`)).status;
    expect(await statusOf("/livez")).toBe(200);
    expect(await statusOf("/readyz")).toBe(200);
    test.isReady = false;
    expect(await statusOf("/readyz")).toBe(503);
    expect(await statusOf("/livez")).toBe(200);
    expect(await statusOf("/nothing")).toBe(404);
    expect(await (await fetch(`${test.url}/metrics`)).text()).toBe("calls_total 1\n");
  });

  it("takes JSON by plain HTTP and answers failures in Connect's form", async () => {
    const post = (body: string) =>
      fetch(`${test.url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: "Bearer good" },
        body,
      });
    const good = await post('{"model":"echo","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"hi"}}]}]}');
    expect(await good.json()).toMatchObject({ message: { parts: [{ text: { text: "hi" } }] } });
    const bad = await post('{"model": sk-secret');
    expect(bad.status).toBe(400);
    const answer = await bad.text();
    expect(answer).toContain('"code":"invalid_argument"');
    expect(answer).not.toContain("sk-secret");
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["ok", "rejected"]);
  });

  it("leaves the deadline to the pipeline, whose failure has the details", async () => {
    const answer = await fetch(`${test.url}${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: "Bearer good",
        "connect-timeout-ms": "30",
      },
      body: '{"model":"late","messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"hi"}}]}]}',
    });
    expect(await answer.json()).toMatchObject({
      code: "deadline_exceeded",
      details: [{ type: "google.rpc.ErrorInfo" }],
    });
    expect(test.gateway.calls.map(({ outcome }) => outcome)).toEqual(["failed"]);
  });

  it("says that the port is taken, or takes the next one when asked to", async () => {
    const { port } = test.server;
    await expect(startTestServer({ port })).rejects.toThrow(`127.0.0.1:${port}: the port is taken`);
    const next = await startTestServer({ port, nextFreePort: true });
    expect(next.server.port).toBeGreaterThan(port);
    await next.server.close(0);
  });

  it("lets a call in flight finish while it takes nothing new", async () => {
    test.gateway.openDelayMs = 100;
    const slow = callRaw(frame(askBytes("echo")));
    while (test.gateway.opening === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const closed = test.server.close(60_000);
    expect(await slow).toMatchObject({ grpcStatus: "0" });
    await closed;
    await expect(fetch(`${test.url}/livez`)).rejects.toThrow();
  });
});
