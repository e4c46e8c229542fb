// Clients that people have, and the server that they had before: `node:http2` is the reference for what a request and a
// response become.
import { once } from "node:events";
import {
  connect,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { Http2Request } from "./plain/http2-request.ts";
import type { Http2Response } from "./plain/http2-response.ts";
import { servePlain } from "./plain/serve-plain.ts";
import { type ServedConnections, serveConnections } from "./testing/serve-connections.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function handle(
  request: Http2ServerRequest | Http2Request,
  response: Http2ServerResponse | Http2Response,
): Promise<void> {
  if (request.url === "/early") {
    response.writeHead(413, { "content-type": "text/plain" });
    response.end("too much");
    return;
  }
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
  } catch {
    return; // The client has gone.
  }
  const body = Buffer.concat(chunks);
  const { headers, method, url } = request;
  response.writeHead(url === "/missing" ? 404 : 200, {
    "content-type": "application/octet-stream",
    "x-echo": String(headers["x-echo"] ?? "none"),
    "x-cookie": String(headers.cookie ?? "none"),
    "X-Method": method,
  });
  if (url === "/trailers") response.addTrailers({ "x-sum": String(body.length), "grpc-status": "0" });
  const out: { write(bytes: Buffer): boolean } = response;
  if (url === "/large") out.write(Buffer.alloc(3 << 20, "L"));
  for (let at = 0; at < body.length; at += 10_000) out.write(body.subarray(at, at + 10_000));
  response.end();
}

async function startReference(): Promise<number> {
  const server: Http2Server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(async () => {
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}

async function startOurs(): Promise<ServedConnections> {
  const served = await serveConnections((stream, headers) => {
    servePlain(stream, headers, (request, response) => void handle(request, response));
  });
  closers.push(served.close);
  return served;
}

type Ask = { readonly headers: OutgoingHttpHeaders; readonly body?: Buffer };
type Outcome = {
  readonly headers: object;
  readonly body: string;
  readonly trailers: object | undefined;
  readonly code: number;
};

async function ask(port: number, asks: readonly Ask[], settings = {}): Promise<Outcome[]> {
  const session = connect(`http://127.0.0.1:${port}`, { settings });
  const outcomes = await Promise.all(
    asks.map(async ({ headers, body }): Promise<Outcome> => {
      const stream = session.request(headers, { endStream: body === undefined });
      stream.on("error", () => undefined);
      let head = {};
      let trailers: object | undefined;
      stream.on("response", (received) => {
        const { date: _, ...rest } = received;
        head = { ...rest };
      });
      stream.on("trailers", (received) => {
        trailers = { ...received };
      });
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      if (body !== undefined) stream.end(body);
      await once(stream, "close");
      const whole = Buffer.concat(chunks);
      return {
        headers: head,
        body: `${whole.length}:${whole.toString("latin1").slice(0, 50)}`,
        trailers,
        code: stream.rstCode,
      };
    }),
  );
  session.close();
  return outcomes;
}

const post = (path: string, extra: OutgoingHttpHeaders = {}) => ({ ":method": "POST", ":path": path, ...extra });
const script: readonly Ask[] = [
  { headers: { ":path": "/" } },
  { headers: { ":path": "/missing", "x-echo": "é" } },
  { headers: { ":method": "HEAD", ":path": "/" } },
  { headers: { ":path": "/", cookie: ["a=1", "b=2"] } },
  { headers: { ":path": "/", "x-echo": ["one", "two"] } },
  { headers: post("/"), body: Buffer.from("hello") },
  { headers: post("/", { "content-length": 5 }), body: Buffer.from("hello") },
  { headers: post("/"), body: Buffer.alloc(0) },
  { headers: post("/trailers"), body: Buffer.alloc(200_000, "b") },
  { headers: post("/large"), body: Buffer.alloc(2 << 20, "c") },
  { headers: { ":path": "/", "x-echo": "v".repeat(20_000) } },
  { headers: { ":path": "/large" } },
];

describe("the same requests of node:http2 have the same outcome", () => {
  it.each([
    ["by default", {}],
    ["with no HPACK table", { headerTableSize: 0 }],
    ["with a table that is larger than the default", { headerTableSize: 65_536 }],
    ["with windows of a few bytes", { initialWindowSize: 1000 }],
    ["with large frames and windows", { maxFrameSize: 1 << 20, initialWindowSize: 8 << 20 }],
  ])("%s", async (_name, settings) => {
    const reference = await ask(await startReference(), script, settings);
    const { port } = await startOurs();
    expect(await ask(port, script, settings)).toEqual(reference);
    expect(reference.map(({ code }) => code)).toEqual(script.map(() => 0));
  });

  it("one after the other, and a body that nobody wants", async () => {
    const asks = [{ headers: post("/early"), body: Buffer.alloc(3 << 20) }];
    const statusOf = (outcomes: readonly Outcome[]) => outcomes.map(({ headers, body }) => [headers, body]);
    const reference = statusOf(await ask(await startReference(), asks));
    const { port } = await startOurs();
    for (let time = 0; time < 3; time++) expect(statusOf(await ask(port, asks))).toEqual(reference);
  });
});

describe("node:http2", () => {
  it("sees a graceful close, and what runs on ends well", async () => {
    const served = await startOurs();
    const session = connect(`http://127.0.0.1:${served.port}`);
    const stream = session.request(post("/trailers"));
    stream.write("begun, ");
    await once(session, "remoteSettings");
    await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
    served.connections[0]?.close();
    const [code] = await once(session, "goaway");
    expect(code).toBe(0);
    stream.end("ended");
    let body = "";
    stream.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    await once(stream, "close");
    expect([body, stream.rstCode]).toEqual(["begun, ended", 0]);
    if (!session.destroyed) await once(session, "close");
  });
});

describe("grpc-js", () => {
  it("gets messages, statuses and large metadata, and sends many calls at a time", async () => {
    const served = await serveConnections((stream, headers) => {
      const chunks: Buffer[] = [];
      stream.listen({
        onData: (chunk) => chunks.push(chunk) > 0,
        onEnd: () => {
          if (headers[":path"] === "/fail") {
            stream.respond(
              { ":status": 200, "content-type": "application/grpc", "grpc-status": "8", "grpc-message": "no" },
              true,
            );
            return;
          }
          stream.respond({ ":status": 200, "content-type": "application/grpc", "x-large": headers["x-large"] });
          stream.end(Buffer.concat(chunks), { "grpc-status": "0" });
        },
        onDrain: () => undefined,
        onClose: () => undefined,
      });
    });
    closers.push(served.close);
    const client = new Client(`127.0.0.1:${served.port}`, credentials.createInsecure());
    const same = (bytes: Buffer) => bytes;
    const call = (path: string, body: Buffer, metadata = new Metadata()) =>
      new Promise<string>((resolve) => {
        let large: unknown;
        const done = (error: ServiceError | null, value?: Buffer) =>
          resolve(error === null ? `${value?.length} ${String(large).length}` : `${error.code} ${error.details}`);
        client.makeUnaryRequest(path, same, same, body, metadata, done).on("metadata", (received) => {
          [large] = received.get("x-large");
        });
      });
    const metadata = new Metadata();
    metadata.set("x-large", "m".repeat(7000));
    const calls = Array.from({ length: 60 }, (_, index) => call("/echo", Buffer.alloc(index * 5000), metadata));
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 60 }, (_, index) => `${index * 5000} 7000`));
    expect(await call("/fail", Buffer.from("x"))).toBe("8 no");
    client.close();
  });
});
