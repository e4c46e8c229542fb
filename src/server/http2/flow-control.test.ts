// Windows as a model: whatever is written, and however a peer opens and narrows its windows, it gets the same bytes, and
// never one more than it allowed.
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { Flag, FrameType, initialWindowBytes, preface, Setting } from "./frame.ts";
import type { Stream } from "./stream.ts";
import { type Frame, frame, RawPeer, request, settings, word } from "./testing/raw-peer.ts";
import { type ServedConnections, serveConnections } from "./testing/serve-connections.ts";

const { DATA, SETTINGS, WINDOW_UPDATE, HEADERS } = FrameType;

let served: ServedConnections | undefined;
afterEach(() => served?.close());

/** What the peer says. */
type Opening =
  | { readonly kind: "open"; readonly stream: number; readonly bytes: number }
  | { readonly kind: "open-all"; readonly bytes: number }
  | { readonly kind: "settings"; readonly bytes: number };
type Step = Opening | { readonly kind: "write"; readonly stream: number; readonly bytes: number };

const ids: readonly number[] = [1, 3, 5];
const stream = fc.nat(ids.length - 1);
/** Whether the other side gets a turn before the next step. */
const turns = fc.boolean();
const step: fc.Arbitrary<Step & { readonly turns: boolean }> = fc.oneof(
  fc.record({ kind: fc.constant("write" as const), stream, bytes: fc.oneof(fc.nat(100), fc.nat(60_000)), turns }),
  fc.record({ kind: fc.constant("open" as const), stream, bytes: fc.integer({ min: 1, max: 40_000 }), turns }),
  fc.record({ kind: fc.constant("open-all" as const), bytes: fc.integer({ min: 1, max: 80_000 }), turns }),
  fc.record({ kind: fc.constant("settings" as const), bytes: fc.oneof(fc.nat(10), fc.nat(100_000)), turns }),
);

function say(opening: Opening, windows: Windows): Buffer {
  switch (opening.kind) {
    case "open": {
      const id = ids[opening.stream] ?? 0;
      windows.open(id, opening.bytes);
      return word(WINDOW_UPDATE, id, opening.bytes);
    }
    case "open-all":
      windows.connection += opening.bytes;
      return word(WINDOW_UPDATE, 0, opening.bytes);
    case "settings":
      windows.announce(opening.bytes);
      return settings([Setting.INITIAL_WINDOW_SIZE, opening.bytes]);
  }
}

/**
 * What a peer has allowed, as section 6.9 says. Larger windows count from when they are said, smaller ones from when the other
 * side has said that it knows.
 */
class Windows {
  connection = initialWindowBytes;
  #initial = initialWindowBytes;
  readonly #streams = new Map<number, number>();
  /** Sent, and not acknowledged. The opening's SETTINGS change nothing. */
  readonly #sent: number[] = [initialWindowBytes];
  #seen = 0;

  announce(initial: number): void {
    this.#sent.push(initial);
  }

  open(id: number, bytes: number): void {
    this.#streams.set(id, (this.#streams.get(id) ?? this.#initial) + bytes);
  }

  check(frames: readonly Frame[]): void {
    for (const { type, flags, streamId, payload } of frames.slice(this.#seen)) {
      if (type === DATA && payload.length > 0) this.#take(streamId, payload.length);
      if (type === SETTINGS && flags === Flag.ACK) this.#change(this.#sent.shift() ?? 0);
    }
    this.#seen = frames.length;
  }

  #take(id: number, bytes: number): void {
    this.connection -= bytes;
    this.open(id, -bytes);
    expect(this.connection).toBeGreaterThanOrEqual(0);
    expect(this.#streams.get(id)).toBeGreaterThanOrEqual(0);
  }

  #change(initial: number): void {
    for (const [id, window] of this.#streams) this.#streams.set(id, window + initial - this.#initial);
    this.#initial = initial;
  }
}

/** A byte that tells its place, so that bytes which are swapped, lost or sent twice are seen. */
function pattern(start: number, bytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, (_, at) => ((start + at) * 31 + ((start + at) >> 8)) & 0xff));
}

/** Answers how much was written on each stream. */
async function play(
  steps: readonly (Step & { readonly turns: boolean })[],
  peer: RawPeer,
  streams: readonly Stream[],
  windows: Windows,
): Promise<number[]> {
  const written = ids.map(() => 0);
  for (const id of ids) windows.open(id, 0);
  for (const one of steps) {
    if (one.kind === "write") {
      streams[one.stream]?.write(pattern(written[one.stream] ?? 0, one.bytes));
      written[one.stream] = (written[one.stream] ?? 0) + one.bytes;
    } else {
      peer.send(say(one, windows));
    }
    if (one.turns) await new Promise(setImmediate);
  }
  return written;
}

describe("what is written", () => {
  it("comes whole and in order, and never past a window", async () => {
    const streams: Stream[] = [];
    served = await serveConnections((opened) => {
      opened.respond({ ":status": 200 });
      streams.push(opened);
    });
    const { port } = served;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        streams.length = 0;
        const peer = await RawPeer.connect(port, Buffer.concat([preface, settings()]));
        peer.send(...ids.map((id) => request(id)));
        await peer.ping();
        const windows = new Windows();
        const written = await play(steps, peer, streams, windows);
        await peer.ping();
        for (const opened of streams) opened.end();
        // Never stuck: with room for all, all comes.
        peer.send(say({ kind: "open-all", bytes: 0x4000_0000 }, windows));
        peer.send(say({ kind: "settings", bytes: 0x2000_0000 }, windows));
        await peer.until(() => ids.every((id) => peer.hasEnded(id)));
        windows.check(peer.frames);
        for (const [index, id] of ids.entries()) {
          expect(peer.body(id).equals(pattern(0, written[index] ?? 0))).toBe(true);
        }
        peer.socket.destroy();
      }),
      { numRuns: 60 },
    );
  });
});

describe("what is read", () => {
  it("is the same wherever the bytes are cut", async () => {
    const heard: string[] = [];
    served = await serveConnections((opened, headers) => {
      let body = "";
      opened.listen({
        onData: (chunk) => {
          body += chunk.toString("latin1");
          return true;
        },
        onEnd: () => {
          heard.push(`${headers[":path"]} ${headers["x-a"]} ${body}`);
          opened.respond({ ":status": 200 }, true);
        },
        onDrain: () => undefined,
        onClose: () => undefined,
      });
    });
    const block = request(5, { "x-a": "5" }).subarray(9);
    const padded = Buffer.concat([Buffer.from([3]), Buffer.from("padded"), Buffer.alloc(3)]);
    const said = Buffer.concat([
      preface,
      settings([Setting.INITIAL_WINDOW_SIZE, 1000]),
      request(1, { "x-a": "1" }, 0),
      request(3, { "x-a": "3" }),
      frame(DATA, 0, 1, Buffer.from("one ")),
      frame(HEADERS, Flag.END_STREAM, 5, block.subarray(0, 7)),
      frame(FrameType.CONTINUATION, 0, 5, block.subarray(7, 8)),
      frame(FrameType.CONTINUATION, Flag.END_HEADERS, 5, block.subarray(8)),
      frame(SETTINGS, Flag.ACK, 0),
      frame(DATA, Flag.PADDED | Flag.END_STREAM, 1, padded),
      frame(FrameType.PING, 0, 0, Buffer.from("last one")),
    ]);
    const expected = ["/ 3 ", "/ 5 ", "/ 1 one padded"];
    for (let cut = 1; cut < said.length; cut++) {
      heard.length = 0;
      const peer = await RawPeer.connect(served.port, said.subarray(0, cut));
      // The first part is read before the second is sent, when there is something that can be answered.
      await peer.first(SETTINGS, 0);
      await new Promise(setImmediate);
      peer.send(said.subarray(cut));
      await peer.first(FrameType.PING, 0);
      expect([cut, ...heard]).toEqual([cut, ...expected]);
      peer.socket.destroy();
    }
    heard.length = 0;
    const peer = await RawPeer.connect(served.port, said.subarray(0, 1));
    for (let at = 1; at < said.length; at++) {
      peer.send(said.subarray(at, at + 1));
      await new Promise(setImmediate);
    }
    await peer.first(FrameType.PING, 0);
    expect(heard).toEqual(expected);
    peer.socket.destroy();
  });
});
