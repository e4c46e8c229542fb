import { readFileSync, statSync } from "node:fs";
import { credentialFailure, type Source } from "./credential-parts.ts";

const checkEveryMs = 1_000;
const bytesMax = 64 * 1024;

/**
 * A file's text. It is looked at no more than once a second and read again when it has changed, as mounted secrets are
 * when they rotate. Once read, it outlives a moment in which the file is away.
 */
export class FileSource implements Source<string> {
  readonly #path: string;
  readonly #nowMs: () => number;
  #held: { readonly text: string; readonly stamp: string } | undefined;
  #checkAtMs = 0;

  constructor(path: string, nowMs: () => number) {
    this.#path = path;
    this.#nowMs = nowMs;
  }

  get(): string {
    const now = this.#nowMs();
    if (this.#held !== undefined && now < this.#checkAtMs) return this.#held.text;
    this.#checkAtMs = now + checkEveryMs;
    try {
      return this.#read();
    } catch (error) {
      if (this.#held !== undefined) return this.#held.text;
      throw credentialFailure(`the file ${this.#path} cannot be read: ${reasonOf(error)}`);
    }
  }

  reload(): void {
    this.#checkAtMs = 0;
  }

  #read(): string {
    const { mtimeMs, size, ino } = statSync(this.#path);
    if (size > bytesMax) throw new Error(`it is longer than ${bytesMax} bytes`);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    if (this.#held?.stamp !== stamp) this.#held = { text: readFileSync(this.#path, "utf8"), stamp };
    return this.#held.text;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return "code" in error ? String(error.code) : error.message;
}
