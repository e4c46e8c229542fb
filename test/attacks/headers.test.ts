// Requests whose headers try to be two things at once, or too much, over raw connections to a real process.
import { once } from "node:events";
import { type ClientHttp2Session, type ClientSessionOptions, connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { text } from "node:stream/consumers";
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InferenceService, Role } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { auditRecordLike } from "../audit-records.ts";
import { type GatewayProcess, startGateway, stopGateways, testSecret } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { sendRaw } from "./raw-http2.ts";

const method = "/llmgateway.v1.ModelService/ListModels";

let simulator: Simulator;
let gateway: GatewayProcess;

beforeAll(async () => {
  simulator = await startSimulator();
  gateway = await startGateway({
    yaml: `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models: [{ id: small, targets: [{ provider: sim, model: sim-small }] }]
usage: { journal: { durability: os } }
`,
  });
});

afterAll(async () => {
  await stopGateways();
  await simulator?.close();
});

/** A Connect call over HTTP/1.1, its header lines as they are given. */
async function overHttp1(...lines: readonly string[]): Promise<{ readonly status: number; readonly body: string }> {
  const socket = connectTcp(gateway.port, "127.0.0.1");
  await once(socket, "connect");
  const head = [`POST ${method} HTTP/1.1`, "host: gateway", "content-type: application/json", "connection: close"];
  socket.write(Buffer.from(`${[...head, ...lines, "content-length: 2"].join("\r\n")}\r\n\r\n{}`, "latin1"));
  const answer = await text(socket);
  return { status: Number(answer.split(" ")[1]), body: answer };
}

async function openSession(): Promise<ClientHttp2Session> {
  // Node's client sends two credentials only when it is told to; its types know the option for servers alone.
  const options: ClientSessionOptions & { strictSingleValueFields: boolean } = { strictSingleValueFields: false };
  const session = connectHttp2(`http://127.0.0.1:${gateway.port}`, options);
  session.on("error", () => {});
  await once(session, "connect");
  return session;
}

/** A gRPC call over HTTP/2 with headers that a proper client would not send; gives grpc-status. */
async function overHttp2(path: string, headers: readonly string[]): Promise<string> {
  const session = await openSession();
  try {
    const head = [":method", "POST", ":scheme", "http", ":authority", "gateway", ":path", path];
    const stream = session.request([...head, "content-type", "application/grpc", "te", "trailers", ...headers]);
    stream.on("error", () => {});
    let status = "";
    const look = (fields: NodeJS.Dict<string | string[]>) => {
      status = String(fields["grpc-status"] ?? status);
    };
    stream.on("response", look);
    stream.on("trailers", look);
    stream.end(Buffer.alloc(5));
    stream.resume();
    await once(stream, "close");
    return status;
  } finally {
    session.close();
  }
}

const good = `Bearer ${testSecret}`;
const hot = "/llmgateway.v1.InferenceService/Complete";
const unauthenticated = String(grpcStatus.UNAUTHENTICATED);

describe("two credentials in one request", () => {
  it.each([
    ["the good one first", [`authorization: ${good}`, "authorization: Bearer other"]],
    ["the good one last", ["authorization: Bearer other", `authorization: ${good}`]],
    ["twice the good one", [`authorization: ${good}`, `Authorization: ${good}`]],
    ["in one line", [`authorization: ${good}, Bearer other`]],
  ])("are refused over HTTP/1.1: %s", async (_, lines) => {
    expect((await overHttp1(...lines)).status).toBe(401);
  });

  it.each([method, hot])("are refused over HTTP/2 at %s, in either order", async (path) => {
    const one = ["authorization", good, "authorization", "Bearer other"];
    const other = ["authorization", "Bearer other", "authorization", good];
    expect(await overHttp2(path, one)).toBe(unauthenticated);
    expect(await overHttp2(path, other)).toBe(unauthenticated);
  });

  it("are on record", async () => {
    await auditRecordLike(gateway, { kind: "authentication.denied", reason: "CREDENTIALS_INVALID" });
  });
});

describe("a credential in disguise", () => {
  it("opens when it is plain", async () => {
    expect((await overHttp1(`authorization: ${good}`)).status).toBe(200);
  });

  it.each([
    ["a tab for the space", `authorization: Bearer\t${testSecret}`],
    ["a space inside", `authorization: Bearer test -secret`],
    ["no scheme", `authorization: ${testSecret}`],
    ["another scheme", `authorization: Basic ${testSecret}`],
    ["a scheme with a colon", `authorization: Bearer: ${testSecret}`],
    ["quotes", `authorization: Bearer "${testSecret}"`],
    ["a no-break space", `authorization: Bearer\u00a0${testSecret}`],
    ["a letter beyond ASCII", `authorization: Bearer ${testSecret}\u00e9`],
    ["another header", `proxy-authorization: ${good}`],
    ["a header of a proxy", `x-forwarded-authorization: ${good}`],
    ["a cookie", `cookie: authorization=${testSecret}`],
  ])("is refused: %s", async (_, line) => {
    expect((await overHttp1(line)).status).toBe(401);
  });

  it.each([
    ["a NUL", `authorization: Bearer ${testSecret}\0`],
    ["a carriage return", `authorization: Bearer ${testSecret}\rx: y`],
    ["a space before the colon", `authorization : ${good}`],
    ["a folded line", `x: y\r\n authorization: ${good}`],
  ])("never gets as far as a method: %s", async (_, line) => {
    expect([400, 401]).toContain((await overHttp1(line)).status);
  });
});

describe("a body that is two bodies", () => {
  it.each([
    ["a length and chunks", ["transfer-encoding: chunked"]],
    ["two lengths", ["content-length: 5"]],
    ["chunks in disguise", ["transfer-encoding: xchunked"]],
  ])("is refused: %s", async (_, lines) => {
    expect((await overHttp1(`authorization: ${good}`, ...lines)).status).toBe(400);
  });
});

describe("a request over HTTP/2 that is two, or none", () => {
  const pseudo = [":method", "POST", ":scheme", "http", ":authority", "gateway", ":path", hot];
  const regular = ["content-type", "application/grpc", "te", "trailers", "authorization", good];

  it("is answered when it is one", async () => {
    expect(await sendRaw(gateway.port, [...pseudo, ...regular], Buffer.alloc(5))).toEqual({ kind: "headers" });
  });

  it.each<[string, readonly string[]]>([
    ["two paths", [...pseudo, ":path", method, ...regular]],
    ["two methods", [...pseudo, ":method", "GET", ...regular]],
    ["two authorities", [...pseudo, ":authority", "other", ...regular]],
    ["a path after the other headers", [...pseudo.slice(0, 6), ...regular, ":path", hot]],
    ["a second path after the other headers", [...pseudo, ...regular, ":path", method]],
    ["no path", [...pseudo.slice(0, 6), ...regular]],
    ["an empty path", [...pseudo.slice(0, 7), "", ...regular]],
    ["no method", [...pseudo.slice(2), ...regular]],
    ["a pseudo-header of its own", [...pseudo, ":authorization", good, ...regular]],
    ["one of an answer", [...pseudo, ":status", "200", ...regular]],
    ["a name in capitals", [...pseudo, ...regular.slice(0, 4), "Authorization", good]],
    ["a name with a space", [...pseudo, ...regular, "x y", "z"]],
    ["a name with a colon inside", [...pseudo, ...regular, "x:authorization", good]],
    ["a line break in a value", [...pseudo, ...regular, "x", `y\r\nauthorization: ${good}`]],
    ["a NUL in a value", [...pseudo, ...regular, "x", "y\0z"]],
    ["a transfer encoding", [...pseudo, ...regular, "transfer-encoding", "chunked"]],
    ["a connection header", [...pseudo, ...regular, "connection", "authorization"]],
    ["an upgrade", [...pseudo, ...regular, "upgrade", "h2c"]],
    ["trailers of another kind", [...pseudo, ...regular, "te", "chunked"]],
    ["two lengths", [...pseudo, ...regular, "content-length", "5", "content-length", "6"]],
    ["a length that is none", [...pseudo, ...regular, "content-length", "+5"]],
    ["a body longer than its length", [...pseudo, ...regular, "content-length", "3"]],
  ])("is refused before any method: %s", async (_, fields) => {
    expect(await sendRaw(gateway.port, fields, Buffer.alloc(5))).toMatchObject({ kind: "reset" });
  });

  it("is on record", async () => {
    await auditRecordLike(gateway, { kind: "request.refused", reason: "INVALID_REQUEST" });
  });
});

describe("too much metadata", () => {
  it("is refused, in the words of the protocol", async () => {
    expect((await overHttp1(`authorization: ${good}`, `x-big: ${"x".repeat(64 * 1024)}`)).status).toBe(431);
    const big = ["authorization", good, "x-big", "x".repeat(40 * 1024)];
    expect(await overHttp2(method, big)).toBe(String(grpcStatus.INVALID_ARGUMENT));
  });

  it("is on record", async () => {
    await auditRecordLike(gateway, { kind: "request.refused", reason: "PAYLOAD_TOO_LARGE" });
  });

  it("in the credential itself is refused as one that does not hold", async () => {
    const long = ["authorization", `Bearer ${"x".repeat(20_000)}`];
    expect(await overHttp2(method, long)).toBe(unauthenticated);
  });

  it("does not keep the next caller out", async () => {
    const client = new TestClient(gateway.port);
    const content = { case: "text" as const, value: { text: "Hi." } };
    const messages = [{ role: Role.USER, parts: [{ content }] }];
    await client.unary(InferenceService.method.complete, { model: "small", messages });
    client.close();
  });
});
