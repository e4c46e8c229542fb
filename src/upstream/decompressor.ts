// Undoes the content coding of a body, piece by piece. We ask for `identity`; some servers and proxies compress anyway
// (RFC 9110, section 8.4). Streaming and bounded: a small body cannot unfold into an endless one.
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
  type ZlibOptions,
} from "node:zlib";
import { ProviderFailure } from "../domain/provider-failure.ts";

export type DecompressorLimits = {
  /** Bytes of output for which no ratio is asked. */
  readonly freeBytes: number;
  /** Beyond that: most bytes of output for a byte of input. JSON of a real stream packs 5 to 40 times. */
  readonly ratioMax: number;
};

export const defaultDecompressorLimits: DecompressorLimits = { freeBytes: 1 << 20, ratioMax: 200 };

export interface DecompressorListener {
  /** The bytes are the receiver's to keep. */
  onData(bytes: Uint8Array): void;
  onEnd(): void;
  /** Not in that coding, cut inside it, or beyond the limits: "bad-response". Nothing follows. */
  onFailure(failure: ProviderFailure): void;
  /** The input buffer has room again after `write` gave false. */
  onDrain(): void;
}

export interface Decompressor {
  /** False: wait for `onDrain` before more. */
  write(bytes: Uint8Array): boolean;
  end(): void;
  pause(): void;
  resume(): void;
  /** Nothing is heard afterwards. */
  destroy(): void;
}

type ZlibStream = ReturnType<typeof createGunzip>;

const zlibOptions: ZlibOptions = { chunkSize: 16 * 1024 };

const codings: Readonly<Record<string, (firstByte: number) => ZlibStream>> = {
  gzip: () => createGunzip(zlibOptions),
  "x-gzip": () => createGunzip(zlibOptions),
  // "deflate" is the zlib format, but raw deflate is sent under that name too (RFC 9110, section 8.4.1.2). The low four
  // bits of a zlib header are always 8.
  deflate: (firstByte) => ((firstByte & 0x0f) === 8 ? createInflate(zlibOptions) : createInflateRaw(zlibOptions)),
  br: () => createBrotliDecompress({ chunkSize: 16 * 1024 }),
  zstd: () => createZstdDecompress({ chunkSize: 16 * 1024 }),
};

/** Whether a `content-encoding` value changes the bytes at all. */
export function isCoded(contentEncoding: string | undefined): contentEncoding is string {
  return contentEncoding !== undefined && contentEncoding !== "" && contentEncoding.toLowerCase() !== "identity";
}

/** The decompressor for a `content-encoding` value; `undefined`: unknown, or several codings one over the other. */
export function createDecompressor(
  contentEncoding: string,
  listener: DecompressorListener,
  limits: DecompressorLimits = defaultDecompressorLimits,
): Decompressor | undefined {
  const open = codings[contentEncoding.trim().toLowerCase()];
  return open === undefined ? undefined : new ZlibDecompressor(open, listener, limits);
}

class ZlibDecompressor implements Decompressor {
  readonly #open: (firstByte: number) => ZlibStream;
  readonly #listener: DecompressorListener;
  readonly #limits: DecompressorLimits;
  #stream: ZlibStream | undefined;
  #paused = false;
  #over = false;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(open: (firstByte: number) => ZlibStream, listener: DecompressorListener, limits: DecompressorLimits) {
    this.#open = open;
    this.#listener = listener;
    this.#limits = limits;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over || bytes.length === 0) return true;
    this.#bytesIn += bytes.length;
    this.#stream ??= this.#start(bytes[0] ?? 0);
    return this.#stream.write(bytes);
  }

  end(): void {
    if (this.#over) return;
    // A body without a byte, as of a 204, is empty in every coding.
    if (this.#stream === undefined) {
      this.#over = true;
      this.#listener.onEnd();
      return;
    }
    this.#stream.end();
  }

  pause(): void {
    this.#paused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#stream?.resume();
  }

  destroy(): void {
    this.#over = true;
    this.#stream?.destroy();
  }

  #start(firstByte: number): ZlibStream {
    const stream = this.#open(firstByte);
    stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    stream.on("drain", () => {
      if (!this.#over) this.#listener.onDrain();
    });
    stream.on("error", (cause) =>
      this.#fail(new ProviderFailure("bad-response", "the body is not in its content coding", { cause })),
    );
    stream.on("end", () => {
      if (this.#over) return;
      this.#over = true;
      this.#listener.onEnd();
    });
    if (this.#paused) stream.pause();
    return stream;
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    this.#bytesOut += bytes.length;
    if (this.#bytesOut > this.#limits.freeBytes + this.#limits.ratioMax * this.#bytesIn) {
      this.#fail(new ProviderFailure("bad-response", "the compressed body unfolds beyond the limit"));
      return;
    }
    this.#listener.onData(bytes);
  }

  #fail(failure: ProviderFailure): void {
    if (this.#over) return;
    this.destroy();
    this.#listener.onFailure(failure);
  }
}
