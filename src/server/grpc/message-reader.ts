// The request side of a call that takes exactly one message: length-prefixed as gRPC, gRPC-Web and Connect streams have it.
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";

const headerBytes = 5;

/** Collects one message of at most `messageBytesMax` bytes. Both methods throw `CallFailure`. */
export class MessageReader {
  readonly #messageBytesMax: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #messageBytes: number | undefined;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Throws as soon as it is clear that the body will not do, so that nothing large is kept. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#messageBytes === undefined && this.#bytes >= headerBytes) {
      this.#messageBytes = this.#readHeader();
    }
    if (this.#messageBytes !== undefined && this.#bytes > headerBytes + this.#messageBytes) {
      throw invalid("more than one message was sent where one is allowed");
    }
  }

  /** The message, when the body has ended. */
  end(): Uint8Array {
    if (this.#bytes === 0) {
      throw invalid("no message was sent");
    }
    if (this.#messageBytes === undefined || this.#bytes < headerBytes + this.#messageBytes) {
      throw invalid("the message was cut off");
    }
    return this.#joined().subarray(headerBytes);
  }

  #readHeader(): number {
    const head = this.#joined();
    if (head[0] !== 0) {
      throw invalid("the message is marked as compressed, but no encoding was agreed on");
    }
    const messageBytes = head.readUInt32BE(1);
    if (messageBytes > this.#messageBytesMax) {
      throw tooLarge(this.#messageBytesMax);
    }
    return messageBytes;
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    const whole = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
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
