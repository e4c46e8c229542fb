// The audit log on the disk: append-only, in batches that are synced before an administrative act is answered. Serving
// never waits for it: denials are queued, folded, and counted when the queue is full.
import { mkdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { recoverChainEnd, toAuditFileName } from "./audit-files.ts";
import { type AuditEvent, type ChainEnd, toAuditLine } from "./audit-record.ts";
import type { AuditEntry, AuditTrail } from "./audit-trail.ts";
import { DenialFold } from "./denial-fold.ts";

export type AuditLogOptions = {
  /** Made when it is not there. */
  readonly folder: string;
  readonly nowMs: () => number;
  /** Hears each record after it is on the disk, as the line that stands there. Must not throw. */
  readonly onRecord?: ((kind: AuditEntry["kind"], line: string) => void) | undefined;
  /** Hears that records cannot be written, once until they can again. */
  readonly onFailure: (error: unknown) => void;
  /** A new file is begun after so many bytes. Default 16 MiB. */
  readonly fileBytesMax?: number | undefined;
};

const limits = { queueMax: 10_000, batchMax: 500, fileBytes: 16 << 20, foldMs: 5_000, retryMs: 1_000 } as const;

type Waiting = { readonly event: AuditEvent; readonly written: (() => void) | undefined };
type OpenFile = { readonly handle: FileHandle; bytes: number };

export class AuditLog implements AuditTrail {
  readonly #options: AuditLogOptions;
  readonly #fold = new DenialFold();
  readonly #timer: NodeJS.Timeout;
  #queue: Waiting[] = [];
  #dropped = 0;
  #end: ChainEnd;
  #file: OpenFile | undefined;
  #writing: Promise<void> | undefined;
  #hasFailed = false;
  #isClosed = false;

  /** Throws when the log that is there cannot be continued. */
  constructor(options: AuditLogOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
    this.#end = recoverChainEnd(options.folder);
    this.#timer = setInterval(() => this.#queueFolded(false), limits.foldMs);
    this.#timer.unref();
  }

  act(entry: AuditEntry): Promise<void> {
    const nowMs = this.#options.nowMs();
    return new Promise((resolve) => this.#push({ entry, timeMs: nowMs, firstMs: nowMs, count: 1 }, resolve));
  }

  denied(entry: AuditEntry): void {
    const event = this.#fold.add(entry, this.#options.nowMs());
    if (event !== undefined) this.#push(event, undefined);
  }

  /** Writes what is left, as far as the disk takes it. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#queueFolded(true);
    this.#isClosed = true;
    await this.#writing;
    if (this.#queue.length > 0) await this.#write();
    await this.#closeFile();
  }

  #queueFolded(all: boolean): void {
    for (const event of this.#fold.takeDue(this.#options.nowMs(), all)) this.#push(event, undefined);
  }

  #push(event: AuditEvent, written: (() => void) | undefined): void {
    if (this.#queue.length >= limits.queueMax) {
      this.#dropped += event.count;
      written?.();
      return;
    }
    this.#queue.push({ event, written });
    this.#startWriting();
  }

  #startWriting(): void {
    if (this.#writing !== undefined) return;
    this.#writing = this.#write().then((isWritten) => {
      this.#writing = undefined;
      if (this.#isClosed) return;
      if (!isWritten) setTimeout(() => this.#startWriting(), limits.retryMs).unref();
      else if (this.#queue.length > 0) this.#startWriting(); // Pushed by those who were just answered.
    });
  }

  /** Until the queue is empty or, then false, the disk fails. Never rejects. */
  async #write(): Promise<boolean> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, limits.batchMax);
      const isWritten = await this.#append(batch.map(({ event }) => event));
      for (const { written } of batch) written?.(); // Not on the disk either way: an act must not hang on it.
      if (!isWritten) return false;
      this.#queue = this.#queue.slice(batch.length);
      this.#tellDropped();
    }
    return true;
  }

  async #append(events: readonly AuditEvent[]): Promise<boolean> {
    const lines: { readonly kind: AuditEntry["kind"]; readonly line: string }[] = [];
    let end = this.#end;
    for (const event of events) {
      const next = toAuditLine(event, end);
      lines.push({ kind: event.entry.kind, line: next.line });
      end = next.end;
    }
    const text = `${lines.map(({ line }) => line).join("\n")}\n`;
    try {
      const file = await this.#fileFor(this.#end.sequence + 1);
      await file.handle.appendFile(text);
      await file.handle.datasync();
      file.bytes += Buffer.byteLength(text);
    } catch (error) {
      await this.#fail(error);
      return false;
    }
    this.#end = end;
    this.#hasFailed = false;
    for (const { kind, line } of lines) this.#options.onRecord?.(kind, line);
    return true;
  }

  async #fileFor(firstSequence: number): Promise<OpenFile> {
    const bytesMax = this.#options.fileBytesMax ?? limits.fileBytes;
    if (this.#file !== undefined && this.#file.bytes < bytesMax) return this.#file;
    await this.#closeFile();
    const handle = await open(join(this.#options.folder, toAuditFileName(firstSequence)), "a", 0o600);
    this.#file = { handle, bytes: 0 };
    return this.#file;
  }

  /** Part of the batch may be on the disk: where the chain stands is read anew. */
  async #fail(error: unknown): Promise<void> {
    if (!this.#hasFailed) this.#options.onFailure(error);
    this.#hasFailed = true;
    await this.#closeFile();
    try {
      this.#end = recoverChainEnd(this.#options.folder);
    } catch (cause) {
      this.#options.onFailure(cause);
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close().catch(() => {}); // What was synced is safe, and nothing more is claimed.
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const nowMs = this.#options.nowMs();
    const entry: AuditEntry = { kind: "audit.dropped", caller: undefined, resource: "", reason: "" };
    this.#queue.push({ event: { entry, timeMs: nowMs, firstMs: nowMs, count: this.#dropped }, written: undefined });
    this.#dropped = 0;
  }
}
