/** The body of an answer with an error status, of which no more is kept than `bytesMax` and the piece that passed it. */
export class ErrorBody {
  readonly #pieces: Uint8Array[] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** False: this is enough, and the rest need not be read. */
  add(piece: Uint8Array): boolean {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    return this.#bytes <= this.#bytesMax;
  }

  joined(): Uint8Array {
    return Buffer.concat(this.#pieces, this.#bytes);
  }
}
