// One life of a writer under the crash suite: opens the ledger, publishes, and makes calls until it is killed. Says on
// its standard output what it knows to be durable, one line each, so that the suite can hold the ledger to it.
//   ledger-writer.ts FOLDER NATS_URL LIFE FAULT CLOCK_SHIFT_MS      FAULT: none | ENOSPC | EIO | SYNC
import { writeSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Operation, Outcome, type UsageEvent, UsageEventSchema, UsageSchema, UsageSource } from "../../src/contract.ts";
import { type JournalFiles, journalFiles } from "../../src/ledger/journal/journal-files.ts";
import { openLedger } from "../../src/ledger/ledger.ts";
import { Publisher } from "../../src/ledger/publisher/publisher.ts";

const [folder = "", url = "", life = "", fault = "none", clockShiftMs = "0"] = process.argv.slice(2);
const callsAtOnce = 64;
/** A clock that was set back, or forward, between two lives. */
const now = (): number => Date.now() + Number(clockShiftMs);
const quiet = { warn: () => undefined, info: () => undefined };

/** Synchronous, so that a line said is a line in the pipe when the kill comes. */
const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};

/** After a number of groups the disk fails for a while (ENOSPC) or for good (EIO) in the middle of a write, or at its sync. */
function failing(code: string): JournalFiles {
  let writes = 0;
  return {
    ...journalFiles,
    create: async (path, durability) => {
      const file = await journalFiles.create(path, durability);
      return {
        ...file,
        write: (buffer, offset, length, position, done) => {
          writes += 1;
          const fails = writes > 40 && (code !== "ENOSPC" || writes % 40 < 3);
          const taken = code === "SYNC" ? length : Math.ceil(length / 2);
          if (!fails) file.write(buffer, offset, length, position, done);
          else {
            const error = Object.assign(new Error(`${code}: injected`), { code: code === "SYNC" ? "EIO" : code });
            file.write(buffer, offset, taken, position, () => done(error, 0));
          }
        },
      };
    },
  };
}

const ledger = await openLedger({
  folder,
  instance: "faults",
  durability: "fsync",
  retainMs: 3_600_000,
  maxBytes: 1 << 30,
  delivery: "outbox",
  reprice: () => undefined,
  onPoisoned: () => process.exit(7),
  segmentBytesMax: 256 * 1024,
  log: quiet,
  now,
  ...(fault === "none" ? {} : { files: failing(fault) }),
});
new Publisher(ledger.outbox, {
  access: { servers: [url] },
  stream: "USAGE",
  format: "protobuf",
  instance: "faults",
  log: quiet,
});
say(`ready ${ledger.bootId} ${ledger.figures.lostEvents}`);

let calls = 0;

function eventOf(eventId: string): UsageEvent {
  const principal = { projectId: `p${calls % 5}` };
  const usage = { inputTokens: 100, source: UsageSource.ESTIMATED };
  return create(UsageEventSchema, {
    eventId,
    principal,
    operation: Operation.CHAT,
    usage,
    attempts: [{ number: 1, provider: "openai", providerModel: "m" }],
    startTime: timestampFromMs(now()),
  });
}

/** START, some progress, FINAL, and the caller hears of it. */
async function call(): Promise<void> {
  calls += 1;
  const eventId = `${life}-${String(calls).padStart(7, "0")}`;
  await ledger.start(eventOf(eventId));
  say(`started ${eventId}`);
  const outputTokens = 10 + (calls % 90);
  ledger.progress(eventId, create(UsageSchema, { inputTokens: 100, outputTokens: 5 }));
  await new Promise((resolve) => setTimeout(resolve, calls % 7));
  const final = eventOf(eventId);
  final.eventTime = timestampFromMs(now());
  final.outcome = Outcome.SUCCEEDED;
  final.usage = create(UsageSchema, { inputTokens: 100, outputTokens, source: UsageSource.PROVIDER });
  await ledger.finish(final);
  say(`finished ${eventId} ${outputTokens}`);
}

await Promise.all(
  Array.from({ length: callsAtOnce }, async () => {
    for (;;) {
      try {
        await call();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50)); // Refused: a caller tries again.
      }
    }
  }),
);
