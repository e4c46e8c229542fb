import type { CommandIo } from "./command-io.ts";

/** One line on a terminal that is written over until it is done; nothing at all where no person looks. */
export class Progress {
  readonly #io: CommandIo;
  #length = 0;

  constructor(io: CommandIo) {
    this.#io = io;
  }

  show(text: string): void {
    if (!this.#io.isTerminal) return;
    this.#io.err(`\r${text.padEnd(this.#length)}`);
    this.#length = text.length;
  }

  /** Removes the line. */
  done(): void {
    if (!this.#io.isTerminal || this.#length === 0) return;
    this.#io.err(`\r${" ".repeat(this.#length)}\r`);
    this.#length = 0;
  }
}
