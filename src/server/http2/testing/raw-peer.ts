// A client that says on the socket exactly what a test wants it to say, and keeps every frame that it hears.
import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import { Flag, FrameType, frameHeadBytes, preface } from "../frame.ts";
import { encodeHeaders } from "../hpack/encode-headers.ts";
import { HeaderDecoder } from "../hpack/header-decoder.ts";

export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
};

export function frame(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function word(type: number, streamId: number, value: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(value);
  return frame(type, 0, streamId, payload);
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  for (const [index, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return frame(FrameType.SETTINGS, 0, 0, payload);
}

/** HEADERS in one frame. Without `END_STREAM` the body follows. */
export function request(streamId: number, extra: Record<string, string> = {}, flags: number = Flag.END_STREAM): Buffer {
  const block = encodeHeaders({
    ":method": "POST",
    ":scheme": "http",
    ":path": "/",
    ":authority": "test",
    ...extra,
  });
  return frame(FrameType.HEADERS, Flag.END_HEADERS | flags, streamId, Buffer.from(block));
}

export class RawPeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #decoder = new HeaderDecoder();
  #rest = Buffer.alloc(0);
  #isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    // A reset is how a server may end a connection that it has had enough of.
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("close", () => {
      this.#isClosed = true;
      this.#changes.emit("change");
    });
  }

  /** Connected, and has said `opening`: by default the preface and empty SETTINGS. */
  static async connect(port: number, opening: Buffer = Buffer.concat([preface, settings()])): Promise<RawPeer> {
    const socket = connect(port, "127.0.0.1");
    const peer = new RawPeer(socket);
    await once(socket, "connect");
    socket.setNoDelay(true);
    socket.write(opening);
    return peer;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** Resolves when `isTrue` is, at the latest when the connection was closed and nothing more can change it. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      if (this.#isClosed) throw new Error("the connection was closed before");
      await once(this.#changes, "change");
    }
  }

  /** The first frame of this kind that has come, or comes. */
  async first(type: number, streamId: number, isWanted: (frame: Frame) => boolean = () => true): Promise<Frame> {
    const find = () => this.frames.find((one) => one.type === type && one.streamId === streamId && isWanted(one));
    await this.until(() => find() !== undefined);
    const found = find();
    if (found === undefined) throw new Error("unreachable: it was just found");
    return found;
  }

  /** Everything sent before this was read. */
  async ping(): Promise<void> {
    const opaque = Buffer.from(String(this.frames.length).padStart(8, "0"));
    this.send(frame(FrameType.PING, 0, 0, opaque));
    await this.first(FrameType.PING, 0, ({ flags, payload }) => (flags & Flag.ACK) !== 0 && payload.equals(opaque));
  }

  /** The code of the GOAWAY that came before the end of the connection. */
  async goAway(): Promise<number> {
    await this.closed();
    return this.frames.findLast(({ type }) => type === FrameType.GOAWAY)?.payload.readUInt32BE(4) ?? -1;
  }

  async closed(): Promise<void> {
    while (!this.#isClosed) await once(this.#changes, "change");
  }

  /** Of all frames of a stream, in order, as far as they came. */
  body(streamId: number): Buffer {
    return Buffer.concat(
      this.frames
        .filter((one) => one.type === FrameType.DATA && one.streamId === streamId)
        .map(({ payload }) => payload),
    );
  }

  hasEnded(streamId: number): boolean {
    return this.frames.some(
      ({ type, flags, streamId: id }) =>
        id === streamId &&
        (type === FrameType.RST_STREAM || (type <= FrameType.HEADERS && (flags & Flag.END_STREAM) !== 0)),
    );
  }

  /** Decodes a block; blocks have to be given in the order in which they came. */
  fields(block: Buffer): Record<string, string> {
    const fields: Record<string, string> = {};
    this.#decoder.decode(block, ({ name, value }) => {
      fields[name] = value;
    });
    return fields;
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= frameHeadBytes) {
      const end = frameHeadBytes + this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < end) break;
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        streamId: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(frameHeadBytes, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
    this.#changes.emit("change");
  }
}
