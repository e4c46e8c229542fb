import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createNetServer, type Server as NetServer, type Socket } from "node:net";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpHeaders, HttpRequest } from "../domain/http.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import { createUpstream, type UpstreamOptions } from "./undici-upstream.ts";
import type { Exchange, Upstream } from "./upstream.ts";

type Closable = { close(callback?: () => void): unknown; closeAllConnections?: () => void };
const cleanups: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function upstreamFor(
  options: Partial<UpstreamOptions> & { maxConnections?: number; http2?: boolean; connectMs?: number } = {},
): Upstream {
  const upstream = createUpstream({
    providers: [
      {
        settings: { id: "openai" },
        timeouts: { connectMs: options.connectMs ?? 3_000 },
        maxConnections: options.maxConnections ?? 8,
        http2: options.http2 ?? false,
      },
    ],
    ...options,
  });
  cleanups.push(() => upstream.close());
  return upstream;
}

async function listen(server: Server | NetServer | Http2Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    const closable: Closable = server;
    closable.closeAllConnections?.();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  return listen(createServer(answer));
}

/** A server that says these bytes to whoever connects and asks. */
function serveBytes(bytes: string, then: (socket: Socket) => void): Promise<string> {
  return listen(
    createNetServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => socket.write(bytes, () => then(socket)));
    }),
  );
}

type Heard = {
  status: number;
  headers: HttpHeaders;
  text: string;
  events: string[];
  failure: ProviderFailure | undefined;
};

type Ask = { exchange: Exchange; heard: Heard; over: Promise<Heard>; started: Promise<void>; firstData: Promise<void> };

function ask(upstream: Upstream, origin: string, request: Partial<HttpRequest> = {}): Ask {
  const heard: Heard = { status: 0, headers: {}, text: "", events: [], failure: undefined };
  const over = Promise.withResolvers<Heard>();
  const started = Promise.withResolvers<void>();
  const firstData = Promise.withResolvers<void>();
  const whole: HttpRequest = {
    method: "POST",
    origin,
    path: "/v1/chat?key=secret-query",
    headers: { authorization: "Bearer secret-key", "content-type": "application/json" },
    body: "{}",
    ...request,
  };
  const exchange = upstream.dispatch("openai", whole, {
    onStart(status, headers) {
      heard.status = status;
      heard.headers = headers;
      heard.events.push("start");
      started.resolve();
    },
    onData(bytes) {
      heard.text += Buffer.from(bytes).toString();
      if (heard.events.at(-1) !== "data") heard.events.push("data");
      firstData.resolve();
    },
    onEnd() {
      heard.events.push("end");
      over.resolve(heard);
    },
    onFailure(failure) {
      heard.failure = failure;
      heard.events.push("failure");
      over.resolve(heard);
    },
  });
  return { exchange, heard, over: over.promise, started: started.promise, firstData: firstData.promise };
}

describe("an exchange", () => {
  it("sends the request as it was built and pushes status, headers and body", async () => {
    const seen: { body: string; encoding: string | undefined; url: string | undefined }[] = [];
    const origin = await serve((request, response) => {
      let body = "";
      request.on("data", (bytes) => (body += bytes));
      request.on("end", () => {
        seen.push({ body, encoding: request.headers["accept-encoding"], url: request.url });
        response.writeHead(200, { "x-request-id": "r1", "set-cookie": ["a=1", "b=2"] });
        response.end("héllo");
      });
    });
    const heard = await ask(upstreamFor(), origin, { body: '{"a":"ü"}' }).over;
    expect(seen).toEqual([{ body: '{"a":"ü"}', encoding: "identity", url: "/v1/chat?key=secret-query" }]);
    expect(heard).toMatchObject({ status: 200, text: "héllo", events: ["start", "data", "end"] });
    expect(heard.headers).toMatchObject({ "x-request-id": "r1", "set-cookie": "a=1, b=2" });
  });

  it("sends bytes as they are, and GET without a body", async () => {
    const origin = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (bytes) => chunks.push(bytes));
      request.on("end", () => response.end(`${request.method} ${Buffer.concat(chunks).toString("hex")}`));
    });
    const upstream = upstreamFor();
    expect((await ask(upstream, origin, { body: Uint8Array.of(0, 255, 128) }).over).text).toBe("POST 00ff80");
    expect((await ask(upstream, origin, { method: "GET", body: "" }).over).text).toBe("GET ");
  });

  it("gives a redirect to the handler and follows none", async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(302, { location: "http://127.0.0.1:1/" });
      response.end();
    });
    const heard = await ask(upstreamFor(), origin).over;
    expect(heard).toMatchObject({ status: 302, events: ["start", "end"] });
  });

  it("skips interim answers", async () => {
    const origin = await serve((_request, response) => {
      response.writeEarlyHints({ link: "</a>; rel=preload" });
      response.end("done");
    });
    expect(await ask(upstreamFor(), origin).over).toMatchObject({
      status: 200,
      text: "done",
      events: ["start", "data", "end"],
    });
  });

  it("uses a connection again", async () => {
    const ports = new Set<number | undefined>();
    const origin = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      request.resume();
      response.end("ok");
    });
    const upstream = upstreamFor({ maxConnections: 1 });
    for (let call = 0; call < 5; call += 1) await ask(upstream, origin).over;
    expect(ports.size).toBe(1);
  });

  it("leaves kept bytes untouched by what follows", async () => {
    const origin = await serve((_request, response) => {
      response.write("first");
      setImmediate(() => response.write("second"));
      setImmediate(() => setImmediate(() => response.end("third")));
    });
    const kept: Uint8Array[] = [];
    const done = Promise.withResolvers<void>();
    upstreamFor().dispatch(
      "openai",
      { method: "GET", origin, path: "/", headers: {}, body: "" },
      {
        onStart() {},
        onData: (bytes) => kept.push(bytes),
        onEnd: () => done.resolve(),
        onFailure: (failure) => done.reject(failure),
      },
    );
    await done.promise;
    expect(Buffer.concat(kept).toString()).toBe("firstsecondthird");
  });
});

describe("failures", () => {
  it("calls a refused connection unavailable", async () => {
    const server = createNetServer();
    const origin = await listen(server);
    await new Promise<void>((resolve) => server.close(() => resolve()));
    const { failure, events } = await ask(upstreamFor(), origin).over;
    expect(failure?.kind).toBe("unavailable");
    expect(failure?.message).toContain("ECONNREFUSED");
    expect(events).toEqual(["failure"]);
  });

  it("calls a name that does not resolve unavailable", async () => {
    const { failure } = await ask(upstreamFor(), "http://does-not-exist.invalid").over;
    expect(failure?.kind).toBe("unavailable");
  });

  it("calls a failed TLS handshake unavailable", async () => {
    const origin = await serve((_request, response) => response.end("clear text"));
    const { failure } = await ask(upstreamFor(), origin.replace("http:", "https:")).over;
    expect(failure?.kind).toBe("unavailable");
    expect(failure?.message).toContain("TLS");
  });

  it("calls a connection that does not come to stand in time a time-out", async () => {
    const origin = await listen(createNetServer((socket) => socket.on("error", () => socket.destroy())));
    const { failure } = await ask(upstreamFor({ connectMs: 50 }), origin.replace("http:", "https:")).over;
    expect(failure?.kind).toBe("timeout");
  });

  it("calls a connection closed before an answer unavailable", async () => {
    const origin = await serveBytes("", (socket) => socket.destroy());
    expect((await ask(upstreamFor(), origin).over).failure?.kind).toBe("unavailable");
  });

  it("calls a reset inside the answer interrupted, after the bytes before it", async () => {
    const origin = await serveBytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", (socket) =>
      socket.resetAndDestroy(),
    );
    const heard = await ask(upstreamFor(), origin).over;
    expect(heard.failure?.kind).toBe("interrupted");
    expect(heard.events.at(-1)).toBe("failure");
    expect(heard.events).not.toContain("end");
  });

  it("calls a chunked body that just ends interrupted", async () => {
    const origin = await serveBytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", (socket) =>
      socket.end(),
    );
    const heard = await ask(upstreamFor(), origin).over;
    expect(heard).toMatchObject({ text: "hello", events: ["start", "data", "failure"] });
    expect(heard.failure?.kind).toBe("interrupted");
  });

  it("calls a body shorter than its content-length interrupted", async () => {
    const origin = await serveBytes("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello", (socket) => socket.end());
    const heard = await ask(upstreamFor(), origin).over;
    expect(heard).toMatchObject({ text: "hello", events: ["start", "data", "failure"] });
    expect(heard.failure?.kind).toBe("interrupted");
  });

  it("calls bytes that are no HTTP a bad response, without showing them", async () => {
    const origin = await serveBytes("secret garbage\r\n\r\n", (socket) => socket.end());
    const { failure } = await ask(upstreamFor(), origin).over;
    expect(failure?.kind).toBe("bad-response");
    expect(JSON.stringify([failure?.message, failure?.cause ?? null])).not.toContain("garbage");
  });

  it("refuses headers beyond the limit", async () => {
    const origin = await serveBytes(`HTTP/1.1 200 OK\r\nx-long: ${"x".repeat(5_000)}\r\n\r\n`, () => {});
    const { failure } = await ask(upstreamFor({ responseHeaderBytesMax: 2_000 }), origin).over;
    expect(failure?.kind).toBe("bad-response");
  });

  it("refuses a header that HTTP cannot carry, without showing its value", async () => {
    const asked = ask(upstreamFor(), "http://127.0.0.1:1", { headers: { authorization: "Bearer secret\nkey" } });
    expect(asked.heard.events).toEqual([]);
    const { failure } = await asked.over;
    expect(failure?.kind).toBe("rejected-request");
    expect(String(failure?.message)).not.toContain("secret");
  });

  it("never shows the query, the headers or the body", async () => {
    const origin = await serveBytes("", (socket) => socket.destroy());
    const { failure } = await ask(upstreamFor(), origin).over;
    expect(failure?.message).not.toMatch(/secret|127\.0\.0\.1|v1/);
  });

  it("throws for a provider that is not configured", () => {
    expect(() => ask(createUpstream({ providers: [] }), "http://127.0.0.1:1")).toThrow(/no provider "openai"/);
  });
});

describe("abort", () => {
  it("closes the provider's connection, and the handler hears nothing more", async () => {
    const closed = Promise.withResolvers<void>();
    const origin = await serve((request, response) => {
      request.socket.on("close", () => closed.resolve());
      response.write("one");
    });
    const asked = ask(upstreamFor(), origin);
    await asked.firstData;
    asked.exchange.abort();
    asked.exchange.abort();
    await closed.promise;
    await new Promise(setImmediate);
    expect(asked.heard.events).toEqual(["start", "data"]);
  });

  it("inside a callback silences what stands in the same read", async () => {
    const origin = await serveBytes(
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
      () => {},
    );
    const events: string[] = [];
    const aborted = Promise.withResolvers<void>();
    const exchange: Exchange = upstreamFor().dispatch(
      "openai",
      { method: "GET", origin, path: "/", headers: {}, body: "" },
      {
        onStart: () => events.push("start"),
        onData: (bytes) => {
          events.push(Buffer.from(bytes).toString());
          exchange.abort();
          aborted.resolve();
        },
        onEnd: () => events.push("end"),
        onFailure: () => events.push("failure"),
      },
    );
    await aborted.promise;
    await new Promise(setImmediate);
    expect(events).toEqual(["start", "a"]);
  });

  it("of a request that waits leaves the line without a connection", async () => {
    let requests = 0;
    const finish = Promise.withResolvers<ServerResponse>();
    const origin = await serve((_request, response) => {
      requests += 1;
      if (requests === 1) finish.resolve(response);
      else response.end("next");
    });
    const upstream = upstreamFor({ maxConnections: 1 });
    const first = ask(upstream, origin);
    const waiting = ask(upstream, origin);
    const third = ask(upstream, origin);
    waiting.exchange.abort();
    (await finish.promise).end("first");
    expect((await first.over).text).toBe("first");
    expect((await third.over).text).toBe("next");
    expect(requests).toBe(2);
    expect(waiting.heard.events).toEqual([]);
  });

  it("while the connection is being opened gives that up too", async () => {
    const closed = Promise.withResolvers<void>();
    const connected = Promise.withResolvers<void>();
    const origin = await listen(
      createNetServer((socket) => {
        socket.on("error", () => socket.destroy());
        socket.on("close", () => closed.resolve());
        // The handshake begins, and is never answered.
        socket.once("data", () => connected.resolve());
      }),
    );
    const asked = ask(upstreamFor({ connectMs: 600_000 }), origin.replace("http:", "https:"));
    await connected.promise;
    asked.exchange.abort();
    await closed.promise;
    await new Promise(setImmediate);
    expect(asked.heard.events).toEqual([]);
  });

  it("before the connection stands lets nothing be sent", async () => {
    let requests = 0;
    const origin = await serve((_request, response) => {
      requests += 1;
      response.end("ok");
    });
    const upstream = upstreamFor();
    const asked = ask(upstream, origin);
    asked.exchange.abort();
    expect((await ask(upstream, origin).over).text).toBe("ok");
    expect(requests).toBe(1);
    expect(asked.heard.events).toEqual([]);
  });
});

describe("the line for a connection", () => {
  it("is bounded: beyond it a request is told to come back", async () => {
    const responses: ServerResponse[] = [];
    const arrived = Promise.withResolvers<void>();
    const origin = await serve((_request, response) => {
      responses.push(response);
      arrived.resolve();
      if (responses.length > 1) response.end("later");
    });
    const upstream = upstreamFor({ maxConnections: 1, waitingMax: 1 });
    const first = ask(upstream, origin);
    const second = ask(upstream, origin);
    const third = ask(upstream, origin);
    expect(third.heard.events).toEqual([]);
    const { failure } = await third.over;
    expect(failure?.kind).toBe("overloaded");
    expect(failure?.facts.retryAfterMs).toBeGreaterThan(0);
    await arrived.promise;
    responses[0]?.end("first");
    expect((await first.over).text).toBe("first");
    expect((await second.over).text).toBe("later");
  });

  it("moves on after failures and aborts, so that no place is lost", async () => {
    let requests = 0;
    const origin = await serve((request, response) => {
      requests += 1;
      if (requests % 3 === 0) request.socket.destroy();
      else response.end("ok");
    });
    const upstream = upstreamFor({ maxConnections: 2 });
    const asks = Array.from({ length: 30 }, () => ask(upstream, origin));
    for (const [index, asked] of asks.entries()) if (index % 5 === 0) asked.exchange.abort();
    const heard = await Promise.all(asks.filter((_asked, index) => index % 5 !== 0).map((asked) => asked.over));
    expect(heard).toHaveLength(24);
    expect((await ask(upstream, origin).over.then((last) => last.events.at(-1))) ?? "").toMatch(/end|failure/);
  });
});

describe("backpressure", () => {
  it("pause reaches the provider and resume loses nothing", async () => {
    const total = 8 << 20;
    const stalled = Promise.withResolvers<void>();
    const pausing = Promise.withResolvers<void>();
    const origin = await serve((_request, response) => {
      let sent = 0;
      const piece = Buffer.alloc(64 << 10, "x");
      const write = (): void => {
        while (sent < total) {
          sent += piece.length;
          if (!response.write(piece)) {
            stalled.resolve();
            response.once("drain", write);
            return;
          }
        }
        response.end();
      };
      write();
    });
    let received = 0;
    let afterPause = 0;
    let paused = false;
    const done = Promise.withResolvers<void>();
    const exchange: Exchange = upstreamFor().dispatch(
      "openai",
      { method: "GET", origin, path: "/", headers: {}, body: "" },
      {
        onStart() {
          paused = true;
          exchange.pause();
          pausing.resolve();
        },
        onData(bytes) {
          received += bytes.length;
          if (paused) afterPause += bytes.length;
        },
        onEnd: () => done.resolve(),
        onFailure: (failure) => done.reject(failure),
      },
    );
    await Promise.all([stalled.promise, pausing.promise]);
    await new Promise(setImmediate);
    expect(afterPause).toBeLessThanOrEqual(64 << 10);
    paused = false;
    exchange.resume();
    await done.promise;
    expect(received).toBe(total);
  });

  it("can pause and resume at every piece", async () => {
    const origin = await serve((_request, response) => {
      for (let piece = 0; piece < 200; piece += 1) response.write(`${piece},`);
      response.end();
    });
    let text = "";
    const done = Promise.withResolvers<void>();
    const exchange: Exchange = upstreamFor().dispatch(
      "openai",
      { method: "GET", origin, path: "/", headers: {}, body: "" },
      {
        onStart() {},
        onData(bytes) {
          text += Buffer.from(bytes).toString();
          exchange.pause();
          setImmediate(() => exchange.resume());
        },
        onEnd: () => done.resolve(),
        onFailure: (failure) => done.reject(failure),
      },
    );
    await done.promise;
    expect(text).toBe(Array.from({ length: 200 }, (_value, piece) => `${piece},`).join(""));
  });
});

describe("a compressed body", () => {
  const text = JSON.stringify({
    choices: Array.from({ length: 500 }, (_value, index) => ({ index, text: `piece ${index}` })),
  });

  it.each([
    ["gzip", gzipSync(text)],
    ["x-gzip", gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["deflate", deflateRawSync(text)],
    ["br", brotliCompressSync(text)],
    ["zstd", zstdCompressSync(text)],
    ["GZIP", gzipSync(text)],
  ])("in %s arrives as it was before", async (coding, body) => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": coding, "content-length": body.length });
      response.end(body);
    });
    const heard = await ask(upstreamFor(), origin).over;
    expect(heard.text).toBe(text);
    expect(heard.headers["content-encoding"]).toBeUndefined();
    expect(heard.headers["content-length"]).toBeUndefined();
    expect(heard.events).toEqual(["start", "data", "end"]);
  });

  it.each([
    ["that is none", Buffer.from("plain text")],
    ["cut in the middle", gzipSync(text).subarray(0, 60)],
    ["that unfolds beyond the limit", gzipSync(Buffer.alloc(64 << 20))],
  ])("%s is a bad response", async (_name, body) => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end(body);
    });
    const heard = await ask(upstreamFor(), origin).over;
    expect(heard.failure?.kind).toBe("bad-response");
    expect(heard.events.at(-1)).toBe("failure");
  });

  it("in an unknown coding is a bad response", async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": "compress" });
      response.end("x");
    });
    const heard = await ask(upstreamFor(), origin).over;
    expect(heard).toMatchObject({ events: ["failure"] });
    expect(heard.failure?.kind).toBe("bad-response");
  });

  it("without a byte is empty", async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.end();
    });
    expect(await ask(upstreamFor(), origin).over).toMatchObject({ text: "", events: ["start", "end"] });
  });
});

describe("HTTP/2", () => {
  async function serveHttp2(
    answer: (stream: ServerHttp2Stream) => void,
  ): Promise<{ origin: string; sessions: () => number }> {
    const server = createHttp2Server();
    let sessions = 0;
    server.on("session", (session) => {
      sessions += 1;
      cleanups.push(() => session.destroy());
    });
    server.on("stream", answer);
    return { origin: await listen(server), sessions: () => sessions };
  }

  it("carries many exchanges on one connection", async () => {
    const { origin, sessions } = await serveHttp2((stream) => {
      stream.respond({ ":status": 200, "x-request-id": "r" });
      stream.end("hello");
    });
    const upstream = upstreamFor({ maxConnections: 1, http2: true });
    const heard = await Promise.all(Array.from({ length: 20 }, () => ask(upstream, origin).over));
    expect(heard.map((one) => one.text)).toEqual(Array.from({ length: 20 }, () => "hello"));
    expect(Object.keys(heard[0]?.headers ?? {})).toContain("x-request-id");
    expect(Object.keys(heard[0]?.headers ?? {}).filter((name) => name.startsWith(":"))).toEqual([]);
    expect(sessions()).toBe(1);
  });

  it("ends one stream on abort and leaves its neighbour", async () => {
    const reset = Promise.withResolvers<void>();
    const neighbour = Promise.withResolvers<ServerHttp2Stream>();
    let streams = 0;
    const { origin } = await serveHttp2((stream) => {
      streams += 1;
      stream.on("error", () => {});
      stream.respond({ ":status": 200 });
      stream.write("x");
      if (streams === 1) stream.on("close", () => reset.resolve());
      else neighbour.resolve(stream);
    });
    const upstream = upstreamFor({ maxConnections: 1, http2: true });
    const first = ask(upstream, origin);
    await first.firstData;
    const second = ask(upstream, origin);
    await second.firstData;
    first.exchange.abort();
    await reset.promise;
    (await neighbour.promise).end("y");
    expect((await second.over).text).toBe("xy");
    expect(first.heard.events).toEqual(["start", "data"]);
  });

  it("calls a stream reset inside the answer interrupted", async () => {
    const { origin } = await serveHttp2((stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": 200 });
      stream.write("x", () => stream.destroy(new Error("broken")));
    });
    const { failure } = await ask(upstreamFor({ http2: true }), origin).over;
    expect(failure?.kind).toBe("interrupted");
  });
});

describe("close", () => {
  it("waits for exchanges under way and refuses new ones", async () => {
    const finish = Promise.withResolvers<ServerResponse>();
    const origin = await serve((_request, response) => {
      response.write("a");
      finish.resolve(response);
    });
    const upstream = upstreamFor();
    const asked = ask(upstream, origin);
    await asked.firstData;
    const closed = upstream.close();
    expect((await ask(upstream, origin).over).failure?.kind).toBe("unavailable");
    (await finish.promise).end("b");
    await closed;
    expect(asked.heard).toMatchObject({ text: "ab", events: ["start", "data", "end"] });
  });
});
