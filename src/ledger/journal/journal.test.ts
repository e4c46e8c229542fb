import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ErrorReason } from "../../contract.ts";
import { frameOverheadBytes, readFrame, recordType } from "./frame.ts";
import { Journal, type JournalEntry, type JournalOptions, type JournalOwner } from "./journal.ts";
import { type JournalFiles, journalFiles, type SegmentFile } from "./journal-files.ts";
import { readEventRecord, writeEventRecord } from "./record.ts";
import { recover } from "./recover.ts";
import type { Segment } from "./segment.ts";

const bootId = "00000000-0000-4000-8000-000000000001";
const message = (text: string): Uint8Array => new TextEncoder().encode(text);

class Owner implements JournalOwner<string> {
  readonly durable: string[] = [];
  readonly refused: string[] = [];
  readonly groups: number[] = [];
  poison: Error | undefined;
  onDurable(entries: readonly JournalEntry<string>[], _segment: Segment, _base: number): void {
    this.groups.push(entries.length);
    for (const entry of entries) this.durable.push(entry.note);
  }
  onRefused(entries: readonly JournalEntry<string>[]): void {
    for (const entry of entries) this.refused.push(entry.note);
  }
  onPoisoned(error: Error): void {
    this.poison = error;
  }
  onWrite(): void {}
}

/** The real file system, with a fault in the writes while `fault` is set. */
function faultyFiles(faults: { code?: string | undefined; writeMax?: number; truncate?: string }): JournalFiles {
  return {
    ...journalFiles,
    create: async (path, durability) => {
      const file = await journalFiles.create(path, durability);
      const faulty: SegmentFile = {
        write: (buffer, offset, length, position, done) => {
          const { code } = faults;
          if (code !== undefined) {
            // Half of it reaches the file, as on a disk that fills up.
            file.write(buffer, offset, Math.ceil(length / 2), position, () => done(diskError(code), 0));
            return;
          }
          file.write(buffer, offset, Math.min(length, faults.writeMax ?? length), position, done);
        },
        truncate: (length) =>
          faults.truncate === undefined ? file.truncate(length) : Promise.reject(diskError(faults.truncate)),
        close: () => file.close(),
      };
      return faulty;
    },
  };
}

function diskError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code });
}

describe("the journal", () => {
  let folder: string;
  let nowMs: number;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "journal-"));
    nowMs = 1_000_000;
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  async function open(owner: Owner, changes: Partial<JournalOptions> = {}): Promise<Journal<string>> {
    const options: JournalOptions = {
      folder,
      bootId,
      files: journalFiles,
      durability: "os",
      retainMs: 1_000,
      maxBytes: 1 << 30,
      now: () => nowMs,
      ...changes,
    };
    const { segments } = await recover(options.files, folder);
    return Journal.open(options, segments, owner);
  }

  async function finalIds(): Promise<string[]> {
    const ids: string[] = [];
    for (const name of (await readdir(folder)).sort()) {
      const bytes = await readFile(join(folder, name));
      for (let at = 0; ; ) {
        const frame = readFrame(bytes, at);
        if (typeof frame === "string") break;
        const record = readEventRecord(frame.payload);
        if (record !== undefined && frame.type === recordType.final) ids.push(record.eventId);
        at = frame.end;
      }
    }
    return ids;
  }

  it.each(["fsync", "os"] as const)("resolves only when the record is in the file (%s)", async (durability) => {
    const owner = new Owner();
    const journal = await open(owner, { durability });
    await journal.append(recordType.final, "a", "a", message("one"));
    expect(await finalIds()).toEqual(["a"]);
    await journal.close();
  });

  it("writes what arrives together in one group, and keeps the order of the calls", async () => {
    const owner = new Owner();
    const journal = await open(owner);
    const ids = Array.from({ length: 500 }, (_, index) => `event-${index}`);
    await Promise.all(ids.map((id) => journal.append(recordType.final, id, id, message(id))));
    expect(owner.groups).toEqual([500]);
    expect(owner.durable).toEqual(ids);
    expect(await finalIds()).toEqual(ids);
    await journal.close();
  });

  it("goes on after short writes", async () => {
    const owner = new Owner();
    const journal = await open(owner, { files: faultyFiles({ writeMax: 7 }) });
    await Promise.all(["a", "b", "c"].map((id) => journal.append(recordType.final, id, id, message("x".repeat(50)))));
    expect(await finalIds()).toEqual(["a", "b", "c"]);
    await journal.close();
  });

  it("opens a new segment in each life and never writes to an old one", async () => {
    for (const life of ["a", "b"]) {
      const journal = await open(new Owner());
      await journal.append(recordType.final, life, life, message(life));
      await journal.close();
    }
    expect(await readdir(folder)).toHaveLength(2);
    expect(await finalIds()).toEqual(["a", "b"]);
  });

  it("cuts off a group that a full disk did not take, refuses it, and takes the next when there is room", async () => {
    const faults: { code?: string | undefined } = {};
    const owner = new Owner();
    const journal = await open(owner, { files: faultyFiles(faults) });
    await journal.append(recordType.final, "before", "before", message("1"));
    faults.code = "ENOSPC";
    await expect(journal.append(recordType.final, "lost", "lost", message("2"))).rejects.toMatchObject({
      reason: ErrorReason.GATEWAY_OVERLOADED,
      facts: { retryAfterMs: 1_000 },
    });
    expect(owner.refused).toEqual(["lost"]);
    expect(() => journal.append(recordType.final, "early", "early", message("3"))).toThrow("full");
    faults.code = undefined;
    nowMs += 1_000;
    await journal.append(recordType.final, "after", "after", message("4"));
    expect(await finalIds()).toEqual(["before", "after"]);
    expect(owner.poison).toBeUndefined();
    await journal.close();
  });

  it("is poisoned by any other error of the disk, and by a full disk that cannot be cut", async () => {
    for (const faults of [{ code: "EIO" }, { code: "ENOSPC", truncate: "EIO" }]) {
      const owner = new Owner();
      const journal = await open(owner, { files: faultyFiles(faults) });
      const first = journal.append(recordType.final, "a", "a", message("1"));
      await expect(first).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
      expect(owner.poison?.message).toContain("injected");
      expect(() => journal.append(recordType.start, "b", "b", message("2"))).toThrow("needs a restart");
      await journal.close();
    }
  });

  it("refuses the records that gathered behind a write that failed", async () => {
    const faults: { code?: string | undefined } = { code: "ENOSPC" };
    const owner = new Owner();
    const journal = await open(owner, { files: faultyFiles(faults) });
    const first = journal.append(recordType.final, "a", "a", message("1"));
    const behind = new Promise<void>((resolve) => setImmediate(resolve)).then(() =>
      journal.append(recordType.final, "b", "b", message("2")),
    );
    await expect(first).rejects.toThrow("full");
    await expect(behind).rejects.toThrow("full");
    await journal.close();
    expect(await finalIds()).toEqual([]);
  });

  it("refuses to begin a call at its size limit while those that began can still end", async () => {
    const owner = new Owner();
    const journal = await open(owner, { maxBytes: 20_000 });
    const begun: string[] = [];
    const begin = async (id: string): Promise<void> => {
      await journal.append(recordType.start, id, id, message("s".repeat(500)));
      begun.push(id);
    };
    await expect(
      (async () => {
        for (let index = 0; ; index += 1) await begin(`event-${index}`);
      })(),
    ).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
    expect(begun.length).toBeGreaterThan(1);
    for (const id of begun) await journal.append(recordType.final, id, id, message("f".repeat(3_000)));
    expect(await finalIds()).toEqual(begun);
    await journal.close();
  });

  it("takes the end of every call that has begun, however large its beginning was, and never passes its limit", async () => {
    const maxBytes = 200_000;
    const journal = await open(new Owner(), { maxBytes });
    const start = message("s".repeat(20_000));
    const begun: string[] = [];
    await expect(
      (async () => {
        for (let index = 0; ; index += 1) {
          await journal.append(recordType.start, `event-${index}`, "", start);
          begun.push(`event-${index}`);
        }
      })(),
    ).rejects.toMatchObject({ reason: ErrorReason.GATEWAY_OVERLOADED });
    expect(begun.length).toBe(4);
    for (const id of begun) {
      await journal.append(recordType.final, id, "", message("f".repeat(24_000)));
      journal.callEnded(start.length);
    }
    expect(journal.totalBytes).toBeLessThanOrEqual(maxBytes);
    await journal.close();
  });

  it("has segments that are small against its limit, so that delivered ones can make room", async () => {
    const journal = await open(new Owner(), { maxBytes: 8_000, segmentBytesMax: undefined });
    for (let index = 0; index < 5; index += 1) {
      await journal.append(recordType.final, `event-${index}`, "", message("f".repeat(900)));
    }
    expect(journal.segments.length).toBe(5);
    await journal.prune(Number.POSITIVE_INFINITY, "urgent");
    expect(journal.totalBytes).toBeLessThan(1_100);
    await journal.close();
  });

  it("deletes old segments in order, and keeps those that somebody needs", async () => {
    const owner = new Owner();
    const journal = await open(owner, { segmentBytesMax: 100 });
    for (let index = 0; index < 5; index += 1) {
      await journal.append(recordType.final, `event-${index}`, "", message("x".repeat(80)));
    }
    const names = journal.segments.map((segment) => segment.ordinal);
    expect(names).toEqual([1, 2, 3, 4, 5]);
    const third = journal.segments[2];
    await journal.prune(Number.POSITIVE_INFINITY, "when-aged");
    expect(journal.segments).toHaveLength(5);
    nowMs += 1_001;
    if (third !== undefined) third.undelivered = 1;
    await journal.prune(2, "when-aged");
    expect(journal.segments.map((segment) => segment.ordinal)).toEqual([2, 3, 4, 5]);
    await journal.prune(Number.POSITIVE_INFINITY, "urgent");
    expect(journal.segments.map((segment) => segment.ordinal)).toEqual([3, 4, 5]);
    expect(await readdir(folder)).toHaveLength(3);
    await journal.close();
  });

  it("refuses an event id or a message that no frame can hold", async () => {
    const journal = await open(new Owner());
    expect(() => journal.append(recordType.final, "", "", message(""))).toThrow(RangeError);
    expect(() => journal.append(recordType.final, "x".repeat(256), "", message(""))).toThrow(RangeError);
    expect(() => journal.append(recordType.final, "x", "", new Uint8Array((1 << 20) + 1))).toThrow(RangeError);
    await journal.append(recordType.final, "whole", "", message(""));
    await journal.close();
    expect(await finalIds()).toEqual(["whole"]);
  });
});

describe("a torn tail", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "journal-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const path = (): string => join(folder, `journal-${bootId}-0000000001.seg`);

  /** Two whole records and a last one; the offset of the last. */
  function threeRecords(): { readonly bytes: Buffer; readonly last: number } {
    const buffer = Buffer.alloc(1_000);
    let at = writeEventRecord(buffer, 0, recordType.start, "event-1", message("start of one"));
    at = writeEventRecord(buffer, at, recordType.final, "event-2", message("end of two"));
    const end = writeEventRecord(buffer, at, recordType.final, "event-1", message("end of one"));
    return { bytes: buffer.subarray(0, end), last: at };
  }

  async function recovered(bytes: Buffer): Promise<{ finals: number; unfinished: string[]; torn: number }> {
    await writeFile(path(), bytes);
    const { undelivered, unfinished, tornBytes } = await recover(journalFiles, folder);
    return {
      finals: undelivered.get(1)?.length ?? 0,
      unfinished: unfinished.map((call) => call.eventId),
      torn: tornBytes,
    };
  }

  it("is cut wherever the last record was torn, with all before it kept", async () => {
    const { bytes, last } = threeRecords();
    for (let end = last; end < bytes.length; end += 1) {
      expect(await recovered(bytes.subarray(0, end))).toEqual({ finals: 1, unfinished: ["event-1"], torn: end - last });
    }
    expect(await recovered(bytes)).toEqual({ finals: 2, unfinished: [], torn: 0 });
  });

  it("is cut whichever bit of the last record flipped", async () => {
    const { bytes, last } = threeRecords();
    for (let at = last; at < bytes.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const flipped = Buffer.from(bytes);
        flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at);
        expect(await recovered(flipped)).toMatchObject({ finals: 1, unfinished: ["event-1"] });
      }
    }
  });

  it("of zeros or of noise is no record", async () => {
    const { bytes } = threeRecords();
    for (const zeros of [1, 4, 9, 4096]) {
      const padded = Buffer.concat([bytes, Buffer.alloc(zeros)]);
      expect(await recovered(padded)).toEqual({ finals: 2, unfinished: [], torn: zeros });
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (noise) => {
        expect(await recovered(Buffer.concat([bytes, noise]))).toMatchObject({ finals: 2, unfinished: [] });
      }),
      { numRuns: 50 },
    );
  });

  it("never hides records when frames lie across the pieces in which a file is read", async () => {
    const parts: Buffer[] = [];
    for (let index = 0; index < 60; index += 1) {
      const text = "x".repeat((index * 7_919) % 90_000);
      const buffer = Buffer.alloc(text.length + 50);
      parts.push(buffer.subarray(0, writeEventRecord(buffer, 0, recordType.final, `event-${index}`, message(text))));
    }
    expect(frameOverheadBytes).toBe(9);
    expect(await recovered(Buffer.concat(parts))).toEqual({ finals: 60, unfinished: [], torn: 0 });
  });
});
