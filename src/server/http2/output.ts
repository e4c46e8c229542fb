// What a connection writes in one turn of the event loop leaves in one system call, whichever streams it is of.
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

const bufferBytes = 32 * 1024;
/** Buffers that no connection uses at the moment; more are left to the collector. */
const freeMax = 32;
const free: Buffer[] = [];

const dirty: Output[] = [];

export class Output {
  readonly #socket: Socket;
  readonly #isEncrypted: boolean;
  #buffer: Buffer | undefined;
  #length = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#isEncrypted = socket instanceof TLSSocket;
  }

  /** Written and not yet taken by the system. */
  get backlogBytes(): number {
    return this.#socket.writableLength + this.#length;
  }

  /** Where `bytes` can be written from `offset` on; `advance` follows. At most a frame and its head. */
  reserve(bytes: number): Buffer {
    if (this.#buffer !== undefined && this.#length + bytes > this.#buffer.length) this.flush();
    if (this.#buffer === undefined) {
      this.#buffer = free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
      if (dirty.push(this) === 1) setImmediate(flushDirty);
    }
    return this.#buffer;
  }

  get offset(): number {
    return this.#length;
  }

  advance(bytes: number): void {
    this.#length += bytes;
  }

  flush(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    const length = this.#length;
    this.#buffer = undefined;
    this.#length = 0;
    if (length === 0 || this.#socket.destroyed || this.#socket.writableEnded) {
      release(buffer);
      return;
    }
    const bytes = length === buffer.length ? buffer : buffer.subarray(0, length);
    // Behind others it waits in the socket, and for a peer that does not read there may be thousands: only what is used of
    // the buffer may be held then, and not all of it for a PING's 17 bytes. TLS lets every write wait.
    if (length * 2 <= buffer.length && (this.#isEncrypted || this.#socket.writableLength > 0)) {
      this.#socket.write(Buffer.from(bytes));
      release(buffer);
      return;
    }
    this.#socket.write(bytes);
    // Nothing is left of it: the system has copied it. Otherwise it is the socket's, and the collector's after that.
    if (this.#socket.writableLength === 0) release(buffer);
  }
}

function release(buffer: Buffer): void {
  if (free.length < freeMax) free.push(buffer);
}

function flushDirty(): void {
  const outputs = dirty.splice(0);
  for (const output of outputs) output.flush();
}
