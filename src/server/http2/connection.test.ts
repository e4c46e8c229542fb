// What neither h2spec nor the conformance suite asks: limits, lateness and endings, with a client that says on the socket
// what no proper client would.
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ConnectionOptions, RequestHandler } from "./connection.ts";
import { ErrorCode } from "./error-code.ts";
import { Flag, FrameType, preface, Setting } from "./frame.ts";
import { encodeHeaders } from "./hpack/encode-headers.ts";
import type { Stream } from "./stream.ts";
import { tellingListener } from "./testing/listeners.ts";
import { frame, RawPeer, request, settings, word } from "./testing/raw-peer.ts";
import { type ServedConnections, serveConnections } from "./testing/serve-connections.ts";

const { DATA, HEADERS, CONTINUATION, RST_STREAM, PING, WINDOW_UPDATE, GOAWAY } = FrameType;

let served: ServedConnections | undefined;
const peers: RawPeer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  await served?.close();
});

async function serve(onRequest: RequestHandler, options: Partial<ConnectionOptions> = {}): Promise<void> {
  served = await serveConnections(onRequest, options);
}

async function connect(opening?: Buffer): Promise<RawPeer> {
  const peer = await RawPeer.connect(served?.port ?? 0, opening);
  peers.push(peer);
  return peer;
}

const answer: RequestHandler = (stream) => stream.respond({ ":status": 200 }, true);
const hang: RequestHandler = (stream) => void tellingListener(stream);

function data(streamId: number, bytes: number, flags = 0): Buffer {
  return frame(DATA, flags, streamId, Buffer.alloc(bytes));
}

describe("windows that a peer may fill", () => {
  it("returns the connection's window while many streams are each below the half of their own", async () => {
    const sizes = { streamWindowBytes: 256 * 1024, connectionWindowBytes: 512 * 1024 };
    await serve(hang, sizes);
    const peer = await connect();
    let window = 65_535;
    let seen = 0;
    // Ten streams with less than half a window each: more than the connection's window in all.
    for (let sent = 0; sent < 70; sent++) {
      const streamId = 1 + 2 * (sent % 10);
      if (sent < 10) peer.send(request(streamId, {}, 0));
      const grow = () => {
        for (; seen < peer.frames.length; seen++) {
          const one = peer.frames[seen];
          if (one?.type === WINDOW_UPDATE && one.streamId === 0) window += one.payload.readUInt32BE();
        }
        return window >= 16_384;
      };
      await peer.until(grow);
      window -= 16_384;
      peer.send(data(streamId, 16_384));
    }
    await peer.ping();
    expect(peer.isClosed).toBe(false);
  });

  it.each([
    ["a stream that has ended its request", (streamId: number) => [request(streamId), data(streamId, 16_384)]],
    [
      "a stream that was reset before",
      (streamId: number) => [request(streamId, {}, 0), word(RST_STREAM, streamId, 8), data(streamId, 16_384)],
    ],
    [
      "a stream whose own window is overrun",
      (streamId: number) => [request(streamId, {}, 0), ...Array.from({ length: 5 }, () => data(streamId, 16_384))],
    ],
    [
      "a stream with less of a body than was announced",
      (streamId: number) => [request(streamId, { "content-length": "9" }, 0), data(streamId, 16_384)],
    ],
  ])("gives back what came on %s", async (_name, bytesOf) => {
    await serve(hang, { streamWindowBytes: 65_535, connectionWindowBytes: 256 * 1024 });
    const peer = await connect();
    for (let streamId = 1; streamId < 101; streamId += 2) {
      peer.send(...bytesOf(streamId));
      await peer.ping();
    }
    expect(peer.frames.some(({ type }) => type === GOAWAY)).toBe(false);
  });

  it("counts padding, and gives it back", async () => {
    await serve(hang, { streamWindowBytes: 65_535, connectionWindowBytes: 128 * 1024 });
    const peer = await connect();
    peer.send(request(1, {}, 0));
    const padded = Buffer.alloc(256);
    padded[0] = 255;
    for (let sent = 0; sent < 40; sent++) {
      peer.send(...Array.from({ length: 64 }, () => frame(DATA, Flag.PADDED, 1, padded)));
      await peer.ping();
    }
    expect(peer.hasEnded(1)).toBe(false);
    expect(peer.frames.some(({ type }) => type === GOAWAY)).toBe(false);
  });

  it("lets a peer send no more than a window to a listener that holds", async () => {
    let stream: Stream | undefined;
    await serve(
      (opened) => {
        stream = opened;
        opened.listen({
          onData: () => false,
          onEnd: () => undefined,
          onDrain: () => undefined,
          onClose: () => undefined,
        });
      },
      { streamWindowBytes: 65_535, connectionWindowBytes: 128 * 1024 },
    );
    const peer = await connect();
    peer.send(request(1, {}, 0), ...Array.from({ length: 3 }, () => data(1, 16_384)), data(1, 16_383));
    await peer.ping();
    const updates = () => peer.frames.filter(({ type, streamId }) => type === WINDOW_UPDATE && streamId === 1);
    expect(updates()).toEqual([]);
    stream?.resume();
    await peer.ping();
    expect(updates().map(({ payload }) => payload.readUInt32BE())).toEqual([65_535]);
    peer.send(...Array.from({ length: 5 }, () => data(1, 16_384)));
    const { payload } = await peer.first(RST_STREAM, 1);
    expect(payload.readUInt32BE()).toBe(ErrorCode.FLOW_CONTROL_ERROR);
  });
});

describe("floods", () => {
  const open = (streamId: number) => request(streamId, {}, 0);
  it.each([
    ["its own resets", (id: number) => [open(id), word(RST_STREAM, id, 8)]],
    ["a window that grows by nothing", (id: number) => [open(id), word(WINDOW_UPDATE, id, 0)]],
    ["a window that grows too large", (id: number) => [open(id), word(WINDOW_UPDATE, id, 0x7fffffff)]],
    ["DATA after the end", (id: number) => [request(id), data(id, 0)]],
    ["trailers after the end", (id: number) => [request(id), request(id)]],
    ["trailers that do not end", (id: number) => [open(id), request(id, {}, 0)]],
    ["a body that is longer than announced", (id: number) => [request(id, { "content-length": "1" }, 0), data(id, 2)]],
    ["PRIORITY of the wrong length", (id: number) => [open(id), frame(FrameType.PRIORITY, 0, id, Buffer.alloc(4))]],
    ["PRIORITY of the wrong length on no stream", (id: number) => [frame(FrameType.PRIORITY, 0, id, Buffer.alloc(4))]],
    ["requests that are malformed", (id: number) => [request(id, { "bad name": "x" })]],
    ["SETTINGS", () => [settings([Setting.INITIAL_WINDOW_SIZE, 65_535])]],
  ])("tells a peer to calm down that resets streams without end by %s", async (_name, bytesOf) => {
    let opened = 0;
    await serve((stream) => {
      opened += 1;
      tellingListener(stream);
    });
    const peer = await connect();
    for (let count = 0; count < 20_000 && !peer.isClosed; count++) {
      peer.send(...bytesOf(1 + 2 * count));
      if (count % 100 === 0) await new Promise(setImmediate);
    }
    expect(await peer.goAway()).toBe(ErrorCode.ENHANCE_YOUR_CALM);
    expect(opened).toBeLessThan(15_000);
  });

  it("refuses more streams than it allows, and serves the ones that run", async () => {
    const streams: Stream[] = [];
    await serve((stream) => void streams.push(stream), { maxStreams: 2 });
    const peer = await connect();
    peer.send(request(1), request(3), request(5));
    expect((await peer.first(RST_STREAM, 5)).payload.readUInt32BE()).toBe(ErrorCode.REFUSED_STREAM);
    for (const stream of streams) stream.respond({ ":status": 200 }, true);
    await peer.until(() => peer.hasEnded(1) && peer.hasEnded(3));
    peer.send(request(7));
    await peer.ping();
    expect(streams).toHaveLength(3);
  });

  it.each([
    ["empty pieces", 0],
    ["pieces of 16 KiB", 16_384],
  ])("ends a connection whose headers go on for ever in %s", async (_name, bytes) => {
    await serve(answer);
    const peer = await connect();
    peer.send(frame(HEADERS, 0, 1, Buffer.from(encodeHeaders({ ":method": "GET" }))));
    for (let piece = 0; piece < 70; piece++) peer.send(frame(CONTINUATION, 0, 1, Buffer.alloc(bytes, "x")));
    expect(await peer.goAway()).toBe(ErrorCode.ENHANCE_YOUR_CALM);
  });

  it("keeps nothing of a list that refers to one large field again and again", async () => {
    let headerCount = -1;
    await serve((stream, headers) => {
      headerCount = Object.keys(headers).length;
      answer(stream, headers, { headerBytes: 0 });
    });
    const peer = await connect();
    const large = Buffer.alloc(4000, "v");
    // "Literal with Incremental Indexing" of a new name, then its index many thousand times.
    const literal = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), large]);
    peer.send(
      frame(HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, Buffer.concat([literal, Buffer.alloc(12_000, 0xbe)])),
    );
    await peer.first(HEADERS, 1);
    expect(headerCount).toBe(1);
    await peer.ping();
  });

  it("stops reading a peer that asks and does not read, and gives it up when no PING is answered", async () => {
    await serve(answer, { pingIntervalMs: 200, pingTimeoutMs: 200 });
    const peer = await connect();
    peer.socket.pause();
    let sent = 0;
    const pings = Buffer.concat(Array.from({ length: 4000 }, () => frame(PING, 0, 0, Buffer.alloc(8))));
    const flood = () => {
      while (!peer.isClosed && peer.socket.write(pings)) sent += pings.length;
    };
    peer.socket.on("drain", flood);
    flood();
    const socket = served?.connections[0]?.socket;
    await new Promise((resolve) => socket?.once("close", resolve));
    // What the system holds in both directions, and our backlog.
    expect(sent).toBeLessThan(64 << 20);
  });

  it("holds of a PING that waits for a peer who does not read little more than its bytes", async () => {
    await serve(answer);
    const peer = await connect();
    await peer.ping();
    peer.socket.pause();
    const socket = served?.connections[0]?.socket;
    const pings = Buffer.concat(Array.from({ length: 4000 }, () => frame(PING, 0, 0, Buffer.alloc(8))));
    while ((socket?.writableLength ?? 0) === 0) {
      peer.socket.write(pings);
      await new Promise(setImmediate);
    }
    const before = process.memoryUsage().arrayBuffers;
    // One in each turn, so that each is a write of its own.
    for (let count = 0; count < 2000; count++) {
      peer.send(frame(PING, 0, 0, Buffer.alloc(8)));
      await new Promise(setImmediate);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  });
});

describe("frames that come late", () => {
  it("ignores what was on the way when we reset the stream", async () => {
    await serve((stream) => stream.reset(ErrorCode.CANCEL));
    const peer = await connect();
    peer.send(request(1, {}, 0));
    await peer.first(RST_STREAM, 1);
    peer.send(data(1, 100), word(WINDOW_UPDATE, 1, 1), request(1), word(RST_STREAM, 1, 8));
    await peer.ping();
    expect(peer.frames.filter(({ type }) => type === RST_STREAM)).toHaveLength(1);
  });

  it("ignores what belongs to a stream that GOAWAY has left out, and ends what runs", async () => {
    const streams: Stream[] = [];
    await serve((stream) => void streams.push(stream));
    const peer = await connect();
    peer.send(request(1));
    await peer.ping();
    served?.connections[0]?.close();
    expect((await peer.first(GOAWAY, 0)).payload.readUInt32BE()).toBe(1);
    peer.send(request(3, {}, 0), data(3, 100), request(3));
    await peer.ping();
    expect(streams).toHaveLength(1);
    streams[0]?.respond({ ":status": 200 });
    streams[0]?.end(Buffer.from("done"));
    expect(await peer.goAway()).toBe(ErrorCode.NO_ERROR);
    expect(peer.body(1).toString()).toBe("done");
  });

  it("tells a listener nothing after its end, when it ends in the middle of what is read", async () => {
    const listeners: string[][] = [];
    await serve((stream) => {
      const { told } = tellingListener(stream, (what) => {
        if (what.startsWith("data")) stream.respond({ ":status": 200 }, true);
      });
      listeners.push(told);
    });
    const peer = await connect();
    peer.send(request(1, {}, 0), data(1, 5, Flag.END_STREAM));
    await peer.ping();
    expect(listeners).toEqual([["data:5", "close"]]);
  });
});

describe("endings", () => {
  it("lets a slow reader have all of what was answered before the connection was closed", async () => {
    const body = Buffer.alloc(6 << 20, "slow");
    await serve((stream) => {
      stream.respond({ ":status": 200 });
      stream.end(body);
    });
    const peer = await connect(
      Buffer.concat([preface, settings([Setting.INITIAL_WINDOW_SIZE, 0x7fffffff]), word(WINDOW_UPDATE, 0, 0x70000000)]),
    );
    peer.socket.pause();
    peer.send(request(1));
    const connection = served?.connections[0];
    await new Promise<void>((resolve) => {
      const look = () => ((connection?.socket.writableLength ?? 0) > 0 ? resolve() : setImmediate(look));
      look();
    });
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    connection?.close();
    // Longer than what a connection that was refused may linger.
    vi.advanceTimersByTime(10_000);
    vi.useRealTimers();
    peer.socket.resume();
    await peer.closed();
    expect(peer.body(1).length).toBe(body.length);
  });

  it("gives up a peer that answers no PING, and says so to its streams", async () => {
    const told = Promise.withResolvers<string>();
    await serve((stream) => void tellingListener(stream, told.resolve), { pingIntervalMs: 50, pingTimeoutMs: 50 });
    const peer = await connect();
    peer.send(request(1, {}, 0));
    await peer.closed();
    expect(await told.promise).toBe("close");
  });

  it("ends the streams of a peer that has gone", async () => {
    const closed = Promise.withResolvers<string>();
    await serve((stream) => void tellingListener(stream, closed.resolve));
    const peer = await connect();
    peer.send(request(1, {}, 0));
    await peer.ping();
    peer.socket.destroy();
    expect(await closed.promise).toBe("close");
  });

  it("ends the connection of a client that sends no more", async () => {
    await serve(hang);
    const peer = await connect();
    peer.send(request(1, {}, 0));
    await peer.ping();
    peer.socket.end();
    await peer.closed();
  });

  it.each([
    ["GET / HTTP/1.1\r\n\r\n", "another protocol"],
    [`${preface.toString("latin1")}${"\0".repeat(64)}`, "no SETTINGS"],
  ])("refuses %j: %s", async (text) => {
    await serve(answer);
    const peer = await connect(Buffer.from(text, "latin1"));
    expect(await peer.goAway()).toBe(ErrorCode.PROTOCOL_ERROR);
  });

  it("ends the connection with INTERNAL_ERROR when a listener throws, and lets the error be seen", async () => {
    const bug = new Error("a bug of the listener");
    const seen = Promise.withResolvers<unknown>();
    const before = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", seen.resolve);
    const told: string[][] = [];
    await serve((stream) => {
      const listener = tellingListener(stream, (what) => {
        if (what === "data:3") throw bug;
      });
      told.push(listener.told);
    });
    const peer = await connect();
    peer.send(request(1, {}, 0), request(3, {}, 0), data(3, 3));
    expect(await seen.promise).toBe(bug);
    for (const listener of before) process.on("uncaughtException", listener);
    expect(await peer.goAway()).toBe(ErrorCode.INTERNAL_ERROR);
    expect(told).toEqual([["close"], ["data:3", "close"]]);
  });
});

describe("what is written", () => {
  it("refuses the rest of a request that was answered early, and no more of one that is whole", async () => {
    await serve(answer);
    const peer = await connect();
    peer.send(request(1), request(3, {}, 0));
    const { payload } = await peer.first(RST_STREAM, 3);
    expect(payload.readUInt32BE()).toBe(ErrorCode.NO_ERROR);
    await peer.ping();
    expect(peer.frames.filter(({ type }) => type === RST_STREAM)).toHaveLength(1);
  });

  it("does not get stuck behind nothing", async () => {
    await serve((stream) => {
      stream.respond({ ":status": 200 });
      stream.write(Buffer.alloc(70_000, "a"));
      stream.write(Buffer.alloc(0));
      stream.end(Buffer.from("z"));
    });
    const peer = await connect();
    peer.send(request(1));
    await peer.until(() => peer.body(1).length === 65_535);
    peer.send(word(WINDOW_UPDATE, 1, 10_000), word(WINDOW_UPDATE, 0, 10_000));
    await peer.until(() => peer.hasEnded(1));
    expect(peer.body(1).length).toBe(70_001);
  });

  it("splits headers that are larger than a frame, and reads such", async () => {
    const large = "v".repeat(40_000);
    await serve((stream, headers) => stream.respond({ ":status": 200, echo: headers["x-large"] }, true));
    const peer = await connect();
    const block = Buffer.from(encodeHeaders({ ":method": "GET", ":scheme": "http", ":path": "/", "x-large": large }));
    peer.send(
      frame(HEADERS, Flag.END_STREAM, 1, block.subarray(0, 10)),
      frame(CONTINUATION, 0, 1, block.subarray(10, 16_000)),
      frame(CONTINUATION, 0, 1, block.subarray(16_000, 32_000)),
      frame(CONTINUATION, Flag.END_HEADERS, 1, block.subarray(32_000)),
    );
    await peer.first(CONTINUATION, 1, ({ flags }) => (flags & Flag.END_HEADERS) !== 0);
    const pieces = peer.frames.filter(({ type }) => type === HEADERS || type === CONTINUATION);
    expect(pieces.map(({ payload }) => payload.length > 16_384)).toEqual([false, false, false]);
    expect(pieces.map(({ flags }) => flags)).toEqual([Flag.END_STREAM, 0, Flag.END_HEADERS]);
    expect(peer.fields(Buffer.concat(pieces.map(({ payload }) => payload)))).toEqual({ ":status": "200", echo: large });
  });

  it("says that it uses no table to a peer that makes its table smaller, once", async () => {
    await serve(answer);
    const peer = await connect(Buffer.concat([preface, settings([Setting.HEADER_TABLE_SIZE, 0])]));
    peer.send(request(1), request(3));
    const firstOf = async (streamId: number) => (await peer.first(HEADERS, streamId)).payload[0];
    expect([await firstOf(1), await firstOf(3)]).toEqual([0x20, 0x88]);
  });
});

/** A field as no encoder of ours would write it. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

/** A request whose list of headers is longer than was allowed, in as many frames as it takes. */
function overlong(streamId: number, first: readonly Buffer[]): Buffer {
  const start = encodeHeaders({ ":method": "POST", ":scheme": "http", ":path": "/x", ":authority": "a" });
  const block = Buffer.concat([start, ...first, ...Array.from({ length: 2_200 }, () => literal("a", "b"))]);
  const cut = 16_000;
  return Buffer.concat([
    frame(HEADERS, Flag.END_STREAM, streamId, block.subarray(0, cut)),
    frame(CONTINUATION, Flag.END_HEADERS, streamId, block.subarray(cut)),
  ]);
}

describe("headers that are more than was allowed", () => {
  it("are handed on as too many, whatever the size of their text", async () => {
    const told: number[] = [];
    await serve((stream, _headers, { headerBytes }) => {
      told.push(headerBytes);
      stream.respond({ ":status": 431 }, true);
    });
    const peer = await connect();
    peer.send(overlong(1, []));
    await peer.until(() => peer.frames.some(({ type, streamId }) => type === HEADERS && streamId === 1));
    expect(told).toEqual([Number.POSITIVE_INFINITY]);
  });

  it("do not hide a value that no header has", async () => {
    let requests = 0;
    await serve((stream) => {
      requests++;
      stream.respond({ ":status": 431 }, true);
    });
    const peer = await connect();
    peer.send(overlong(1, [literal("content-type", "application/grpc\n")]));
    await peer.until(() => peer.frames.some(({ type, streamId }) => type === RST_STREAM && streamId === 1));
    expect(requests).toBe(0);
  });
});

describe("a response that cannot be sent", () => {
  it("ends its own stream, and no other", async () => {
    await serve((stream, headers) => {
      stream.respond({ ":status": 200, "x-text": headers[":path"] === "/bad" ? "a\nb" : "ab" }, true);
    });
    const peer = await connect();
    peer.send(request(1, { ":path": "/bad" }), request(3, { ":path": "/good" }));
    await peer.until(() => peer.frames.some(({ type, streamId }) => type === HEADERS && streamId === 3));
    const reset = peer.frames.find(({ type, streamId }) => type === RST_STREAM && streamId === 1);
    expect(reset?.payload.readUInt32BE()).toBe(ErrorCode.INTERNAL_ERROR);
  });
});
