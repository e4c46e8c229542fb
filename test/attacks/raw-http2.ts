// HTTP/2 frames as no proper client would send them: fields in any order and number, written without compression.
import { once } from "node:events";
import { connect } from "node:net";

export type RawAnswer =
  /** Names and values of the first block of headers cannot be read without a decoder; a client's own tests do that. */
  | { readonly kind: "headers" }
  | { readonly kind: "reset"; readonly code: number }
  | { readonly kind: "goaway"; readonly code: number }
  | { readonly kind: "closed" };

const FrameType = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, GOAWAY: 7 } as const;
const endStream = 0x1;
const endHeaders = 0x4;
const headBytes = 9;

/** Sends one request on a connection of its own, and tells how the server answers it. `body`: a DATA frame, if any. */
export async function sendRaw(port: number, fields: readonly string[], body?: Uint8Array): Promise<RawAnswer> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => {});
  const end = body === undefined ? endStream : 0;
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame(FrameType.SETTINGS, 0, 0, new Uint8Array()));
  socket.write(frame(FrameType.HEADERS, endHeaders | end, 1, block(fields)));
  if (body !== undefined) socket.write(frame(FrameType.DATA, endStream, 1, body));
  try {
    let rest = Buffer.alloc(0);
    for await (const chunk of socket) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      for (let bytes = frameBytes(rest); bytes !== undefined; bytes = frameBytes(rest)) {
        const answer = toAnswer(rest);
        if (answer !== undefined) return answer;
        rest = rest.subarray(bytes);
      }
    }
    return { kind: "closed" };
  } finally {
    socket.destroy();
  }
}

/** Of the first frame; `undefined`: it is not whole yet. */
function frameBytes(bytes: Buffer): number | undefined {
  const length = bytes.length < headBytes ? undefined : headBytes + bytes.readUIntBE(0, 3);
  return length === undefined || bytes.length < length ? undefined : length;
}

function toAnswer(bytes: Buffer): RawAnswer | undefined {
  const streamId = bytes.readUInt32BE(5);
  switch (bytes[3]) {
    case FrameType.HEADERS:
      return streamId === 1 ? { kind: "headers" } : undefined;
    case FrameType.RST_STREAM:
      return { kind: "reset", code: bytes.readUInt32BE(headBytes) };
    case FrameType.GOAWAY:
      return { kind: "goaway", code: bytes.readUInt32BE(headBytes + 4) };
    default:
      return undefined;
  }
}

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK (RFC 7541, 6.2.2): literals without indexing, with new names, not Huffman coded. */
function block(fields: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    parts.push(Buffer.from([0]), text(fields[index] ?? ""), text(fields[index + 1] ?? ""));
  }
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}
