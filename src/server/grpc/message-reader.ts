// The request side of a call that takes exactly one message: length-prefixed as gRPC, gRPC-Web and Connect streams have it.
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";

const headerBytes = 5;
const gatheredBytesMin = 1024;
const noBytes = Buffer.alloc(0);

/** What was agreed on in the headers; with "gzip" a message is compressed only if its flag says so. */
export type MessageEncoding = "identity" | "gzip";

/** Collects one message of at most `messageBytesMax` bytes. Both methods throw `CallFailure`. */
export class MessageReader {
  readonly #messageBytesMax: number;
  readonly #encoding: MessageEncoding;
  #isCompressed = false;
  /** What came, as long as it came in one piece: the usual case, which costs no copy. */
  #only: Buffer | undefined;
  /** Copies of all pieces, when there were more; larger than what is in it. */
  #gathered: Buffer | undefined;
  #bytes = 0;
  #messageBytes: number | undefined;

  constructor(messageBytesMax: number, encoding: MessageEncoding = "identity") {
    this.#messageBytesMax = messageBytesMax;
    this.#encoding = encoding;
  }

  /** Of the message that `end` gives; without meaning before. */
  get isCompressed(): boolean {
    return this.#isCompressed;
  }

  /** What its head announces; 0: not known yet. */
  get messageBytes(): number {
    return this.#messageBytes ?? 0;
  }

  /** Of the message, as far as its head has come. */
  get missingBytes(): number {
    return Math.max(0, headerBytes + this.messageBytes - this.#bytes);
  }

  /** Throws as soon as it is clear that the body will not do, so that nothing large is kept. */
  push(chunk: Buffer): void {
    this.#take(chunk);
    if (this.#messageBytes === undefined && this.#bytes >= headerBytes) {
      this.#messageBytes = this.#readHeader();
    }
    if (this.#messageBytes !== undefined && this.#bytes > headerBytes + this.#messageBytes) {
      throw invalid("more than one message was sent where one is allowed");
    }
  }

  /** The message as it travelled, when the body has ended. Once: it is forgotten here. */
  end(): Uint8Array {
    if (this.#bytes === 0) {
      throw invalid("no message was sent");
    }
    if (this.#messageBytes === undefined || this.#bytes < headerBytes + this.#messageBytes) {
      throw invalid("the message was cut off");
    }
    const whole = this.#joined();
    // A call that runs for long does not hold its prompt twice.
    this.#only = undefined;
    this.#gathered = undefined;
    return whole.subarray(headerBytes);
  }

  #readHeader(): number {
    const head = this.#joined();
    const flags = head[0];
    if (flags === 1 && this.#encoding === "identity") {
      throw invalid("the message is marked as compressed, but no encoding was agreed on");
    }
    if (flags !== 0 && flags !== 1) {
      throw invalid("the message has flags that are not known");
    }
    this.#isCompressed = flags === 1;
    const messageBytes = head.readUInt32BE(1);
    if (messageBytes > this.#messageBytesMax) {
      throw tooLarge(this.#messageBytesMax);
    }
    return messageBytes;
  }

  #joined(): Buffer {
    return this.#gathered?.subarray(0, this.#bytes) ?? this.#only ?? noBytes;
  }

  /**
   * Pieces are copied, not kept: each holds the whole read of the socket that it came in, so that a peer who sends a message
   * byte by byte, with padding or PINGs between, would make us hold thousands of times what it may send.
   */
  #take(chunk: Buffer): void {
    const before = this.#bytes;
    this.#bytes += chunk.length;
    if (before === 0) {
      this.#only = chunk;
      return;
    }
    if (this.#gathered === undefined || this.#gathered.length < this.#bytes) {
      const doubled = Math.max(2 * this.#bytes, gatheredBytesMin);
      const room = this.#messageBytes === undefined ? doubled : Math.min(doubled, this.#bytes + this.missingBytes);
      const larger = Buffer.allocUnsafeSlow(room);
      (this.#gathered ?? this.#only ?? noBytes).copy(larger, 0, 0, before);
      this.#gathered = larger;
      this.#only = undefined;
    }
    chunk.copy(this.#gathered, before);
  }
}

export function tooLarge(bytesMax: number): CallFailure {
  return new CallFailure(ErrorReason.PAYLOAD_TOO_LARGE, `the request is larger than ${bytesMax} bytes`, {
    metadata: { limitBytes: String(bytesMax) },
    violations: [{ field: "", description: `at most ${bytesMax} bytes are allowed` }],
  });
}

function invalid(description: string): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, description, { violations: [{ field: "", description }] });
}

/** From `grpc-encoding` or its likes; a failure for one that is not served. */
export function encodingOf(header: string | undefined): MessageEncoding | CallFailure {
  switch (header) {
    case undefined:
    case "":
    case "identity":
      return "identity";
    case "gzip":
      return "gzip";
    default:
      return new CallFailure(
        ErrorReason.FEATURE_DISABLED,
        "requests may be compressed with gzip, and with nothing else",
      );
  }
}
