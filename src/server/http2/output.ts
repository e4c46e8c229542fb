// What a connection writes in one turn of the event loop leaves in one system call, whichever streams it is of.
import type { Socket } from "node:net";

const bufferBytes = 32 * 1024;
/** Buffers that no connection uses at the moment; more are left to the collector. */
const freeMax = 32;
const free: Buffer[] = [];

const dirty: Output[] = [];

export class Output {
  readonly #socket: Socket;
  #buffer: Buffer | undefined;
  #length = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
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
    this.#socket.write(length === buffer.length ? buffer : buffer.subarray(0, length));
    // Nothing is left of it: the system has copied it.
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
