import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type UsageEvent, UsageEventSchema, UsageSchema } from "../../contract.ts";
import { type LedgerOptions, openLedger, type UsageLedger } from "../ledger.ts";
import { ledgerOptions } from "../testing/ledger-options.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { type JournalFiles, journalFiles } from "./journal-files.ts";
import { recover } from "./recover.ts";
import { segmentName } from "./segment.ts";

const eventOf = (eventId: string, note = ""): UsageEvent => create(UsageEventSchema, { eventId, labels: { note } });

/** What is done with a call. */
type Step = "begin" | "progress" | "end" | "deliver";
type Life = { readonly steps: readonly Step[]; readonly end: "close" | "crash" };

const steps = fc.array(fc.constantFrom<Step>("begin", "begin", "progress", "end", "end", "deliver"), { maxLength: 30 });
const lives = fc.array(fc.record({ steps, end: fc.constantFrom("close" as const, "crash" as const) }), {
  minLength: 1,
  maxLength: 4,
});

describe("a checkpoint of the journal", () => {
  let root: string;
  let folder: string;
  let copies = 0;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "checkpoint-"));
    folder = join(root, "journal");
  });
  afterEach(async () => {
    vi.useRealTimers();
    await rm(root, { recursive: true });
  });

  function open(changes: Partial<LedgerOptions> = {}): Promise<UsageLedger> {
    return openLedger(ledgerOptions({ folder, now: () => 1_764_000_000_000, ...changes }));
  }

  /** The folder as a kill -9 leaves it. */
  async function crash(ledger: UsageLedger): Promise<void> {
    copies += 1;
    const copy = join(root, `copy-${copies}`);
    await cp(folder, copy, { recursive: true });
    await ledger.close();
    folder = copy;
  }

  /** What a start finds with the checkpoint that lies there. */
  async function found() {
    return stateOf(await recover(journalFiles, folder, await readCheckpoint(journalFiles, folder)));
  }

  async function foundByReadingAll() {
    return stateOf(await recover(journalFiles, folder));
  }

  async function live({ steps: todo, end }: Life, name: string): Promise<void> {
    const ledger = await open({ segmentBytesMax: 300 });
    const begun: string[] = [];
    for (const [index, step] of todo.entries()) await takeStep[step](ledger, begun, `${name}-${index}`);
    if (end === "close") await ledger.close();
    else await crash(ledger);
  }

  it("tells a start what reading everything would, after any lives that ended or were killed", async () => {
    await fc.assert(
      fc.asyncProperty(lives, async (all) => {
        folder = await mkdtemp(join(root, "lives-"));
        for (const [index, life] of all.entries()) {
          await live(life, `life-${index}`);
          expect(await found()).toEqual(await foundByReadingAll());
        }
      }),
      { numRuns: 40 },
    );
  });

  it("changes nothing when it is torn or cut off", async () => {
    await live({ steps: ["begin", "begin", "end", "begin", "end", "deliver"], end: "close" }, "a");
    const file = join(folder, "checkpoint");
    const written = await readFile(file);
    const all = await foundByReadingAll();
    for (let at = 0; at < written.length; at += 1) {
      await writeFile(file, written.subarray(0, at));
      expect(await found()).toEqual(all);
      const flipped = Buffer.from(written);
      flipped[at] = (flipped[at] ?? 0) ^ 4;
      await writeFile(file, flipped);
      expect(await found()).toEqual(all);
    }
  });

  it("is not believed of a segment that another life wrote", async () => {
    await live({ steps: ["begin", "end", "deliver"], end: "close" }, "a");
    const [name = ""] = (await readdir(folder)).filter((file) => file.endsWith(".seg"));
    const { read, files } = countingFiles();
    await recover(files, folder, await readCheckpoint(files, folder));
    expect(read.size).toBe(0);
    await rename(join(folder, name), join(folder, segmentName("00000000-0000-4000-8000-000000000001", 1)));
    await recover(files, folder, await readCheckpoint(files, folder));
    expect(read.size).toBe(1);
  });

  it("is not believed when the journal is shorter than it was, wherever it was cut", async () => {
    // "b" is open all along; "a" began before and ended behind it, where the journal is cut.
    const ledger = await open();
    await ledger.start(eventOf("a"));
    await ledger.start(eventOf("b"));
    await ledger.finish(eventOf("a"));
    for (const event of await ledger.outbox.take(1)) ledger.outbox.delivered(event);
    await ledger.close();
    const [segment = ""] = (await readdir(folder)).filter((name) => name.endsWith(".seg"));
    const path = join(folder, segment);
    for (let bytes = (await readFile(path)).length; bytes >= 0; bytes -= 1) {
      await truncate(path, bytes);
      expect(await found()).toEqual(await foundByReadingAll());
    }
  });

  it("is not believed when a segment of the middle is gone, and is when the oldest were deleted", async () => {
    const many = Array.from({ length: 12 }, (): readonly Step[] => ["begin", "end", "deliver"]).flat();
    await live({ steps: many, end: "close" }, "a");
    const names = (await readdir(folder)).filter((name) => name.endsWith(".seg")).sort();
    const [oldest = "", , middle = ""] = names;
    await rm(join(folder, oldest));
    const { read, files } = countingFiles();
    await recover(files, folder, await readCheckpoint(files, folder));
    expect(read.size).toBeLessThan(2);
    await rm(join(folder, middle));
    await recover(files, folder, await readCheckpoint(files, folder));
    expect(read.size).toBe(names.length - 2);
  });

  it("spares a start after an orderly end everything, and one after a crash all but the last part", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] });
    const ledger = await open({ delivery: "keep", segmentBytesMax: 1 << 20 });
    const long = "x".repeat(60_000);
    for (let index = 0; index < 200; index += 1) await ledger.finish(eventOf(`event-${index}`, long));
    await ledger.start(eventOf("open"));
    vi.advanceTimersByTime(1_000); // The rounds of maintenance.
    await vi.waitFor(() => readFile(join(folder, "checkpoint")));
    for (let index = 0; index < 5; index += 1) await ledger.finish(eventOf(`later-${index}`, long));
    await crash(ledger);

    const afterCrash = countingFiles();
    const next = await open({ delivery: "keep", files: afterCrash.files });
    expect(next.figures.lostEvents).toBe(1);
    expect(afterCrash.read.size).toBeLessThan(3);
    await next.close();

    const afterEnd = countingFiles();
    await (await open({ delivery: "keep", files: afterEnd.files })).close();
    expect(afterEnd.read.size).toBeLessThan(2);
  });

  it("of a life without NATS hides nothing from one that has it", async () => {
    const without = await open({ delivery: "keep" });
    await without.finish(eventOf("a"));
    await without.close();
    const ledger = await open();
    expect(ledger.figures.outboxDepth).toBe(1);
    await ledger.close();
  });

  it("keeps no start from beginning when it cannot be read or written", async () => {
    const refuse = () => Promise.reject(Object.assign(new Error("EACCES: injected"), { code: "EACCES" }));
    const warnings: string[] = [];
    const log = { warn: (message: string) => void warnings.push(message), info: () => undefined };
    const ledger = await open({ files: { ...journalFiles, replace: refuse, readWhole: refuse }, log });
    await ledger.finish(eventOf("a"));
    await ledger.close();
    expect(warnings).toEqual([
      "the checkpoint of the usage journal cannot be written: the next start reads more of it",
    ]);
    expect((await foundByReadingAll()).undelivered).toHaveLength(1);
  });
});

/** `begun`: ids of the calls that are open, which the step changes; `name`: of the step. */
const takeStep: Readonly<Record<Step, (ledger: UsageLedger, begun: string[], name: string) => Promise<void>>> = {
  begin: (ledger, begun, name) => {
    begun.push(name);
    return ledger.start(eventOf(name));
  },
  progress: async (ledger, [id], name) => {
    if (id !== undefined) ledger.progress(id, create(UsageSchema, { outputTokens: name.length }));
  },
  end: async (ledger, begun) => {
    // From the middle, so that calls end out of order.
    const [id] = begun.splice(Math.floor(begun.length / 2), 1);
    if (id !== undefined) await ledger.finish(eventOf(id));
  },
  deliver: async (ledger) => {
    for (const event of await ledger.outbox.take(2)) ledger.outbox.delivered(event);
  },
};

/** What the ledger makes of it. */
function stateOf({ segments, undelivered, unfinished }: Awaited<ReturnType<typeof recover>>) {
  return {
    segments,
    undelivered: [...undelivered],
    unfinished: unfinished.map(({ eventId, ordinal, progress }) => ({ eventId, ordinal, progress })),
  };
}

/** The real file system, and the segments of which something was read. */
function countingFiles(): { readonly files: JournalFiles; readonly read: Set<string> } {
  const read = new Set<string>();
  const files: JournalFiles = {
    ...journalFiles,
    openToRead: async (path) => {
      const file = await journalFiles.openToRead(path);
      return {
        ...file,
        read: async (buffer, offset, position) => {
          const bytes = await file.read(buffer, offset, position);
          if (bytes > 0) read.add(path);
          return bytes;
        },
      };
    },
  };
  return { files, read };
}
