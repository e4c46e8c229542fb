import type { Socket } from "node:net";

export type Protocol = "tls" | "http2" | "http1";

/** First byte of a TLS record of type handshake: RFC 8446, section 5.1. */
const tlsHandshake = 0x16;
/** Beginning of the HTTP/2 connection preface, RFC 9113, section 3.4. No HTTP/1.1 method is spelled so. */
const prefaceStart = Buffer.from("PRI");

/**
 * Tells once what a new connection speaks, from its first one to three bytes, and gives the bytes back to the socket. A
 * connection that stays silent for `timeoutMs`, or ends before it can be told, is closed.
 */
export function sniff(socket: Socket, timeoutMs: number, tell: (protocol: Protocol) => void): void {
  const chunks: Buffer[] = [];
  const giveUp = () => socket.destroy();
  const timer = setTimeout(giveUp, timeoutMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("readable", look);
    socket.off("end", giveUp);
    socket.off("close", stop);
  };
  const look = () => {
    for (let chunk = readChunk(socket); chunk !== undefined; chunk = readChunk(socket)) {
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    const protocol = protocolOf(bytes);
    if (protocol === undefined) {
      return;
    }
    stop();
    // Once, and only when told: `unshift` from inside "readable" while still waiting fires the event again without end.
    socket.unshift(bytes);
    tell(protocol);
  };
  socket.on("readable", look);
  socket.on("end", giveUp);
  socket.on("close", stop);
}

function readChunk(socket: Socket): Buffer | undefined {
  const chunk: unknown = socket.read();
  return Buffer.isBuffer(chunk) ? chunk : undefined;
}

/** `undefined`: too few bytes to tell. */
function protocolOf(bytes: Buffer): Protocol | undefined {
  if (bytes.length === 0) {
    return undefined;
  }
  if (bytes[0] === tlsHandshake) {
    return "tls";
  }
  const head = bytes.subarray(0, prefaceStart.length);
  if (!head.equals(prefaceStart.subarray(0, head.length))) {
    return "http1";
  }
  return head.length === prefaceStart.length ? "http2" : undefined;
}
