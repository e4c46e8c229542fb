// What the ledger adds to a call: `node bench/ledger.ts`. A call here is a START and a FINAL, each awaited until it is
// durable, as a real one awaits them before the provider is called and before its answer ends. Latency is the sum of both
// waits; CPU is that of the whole process, all threads. With NATS: a real server, whose own CPU is not counted.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { type UsageEvent, UsageEventSchema } from "../src/contract.ts";
import { openLedger, type UsageLedger } from "../src/ledger/ledger.ts";
import { setUpStream } from "../src/ledger/nats-setup.ts";
import { Publisher } from "../src/ledger/publisher/publisher.ts";
import { startNats } from "../test/nats-server.ts";
import { createEventMaker } from "./usage-index/made-up-events.ts";

const quiet = { warn: () => undefined, info: () => undefined };
const warmUpMs = 1_000;
const roundMs = 4_000;
const [parent = tmpdir()] = process.argv.slice(2);
const make = createEventMaker(1_000);
const events = Array.from({ length: 1_000 }, (_, index) => fromBinary(UsageEventSchema, make(index)));

console.log("durability  NATS  calls at once  calls/s    CPU µs  p50 ms  p99 ms");
for (const durability of ["os", "fsync"] as const) {
  for (const hasNats of [false, true]) {
    for (const atOnce of [1, 16, 64]) await measure(durability, hasNats, atOnce);
  }
}

async function measure(durability: "os" | "fsync", hasNats: boolean, atOnce: number): Promise<void> {
  const folder = mkdtempSync(join(parent, "bench-ledger-"));
  const nats = hasNats ? await startNats() : undefined;
  try {
    const ledger = await openLedger({
      folder: join(folder, "journal"),
      instance: "bench",
      durability,
      retainMs: 60_000,
      maxBytes: 8 * 1024 ** 3,
      delivery: hasNats ? "outbox" : "keep",
      reprice: () => undefined,
      onPoisoned: (error) => {
        throw error;
      },
      log: quiet,
      now: Date.now,
    });
    if (nats !== undefined) await setUpStream({ access: { servers: [nats.url] } });
    const publisher = nats === undefined ? undefined : publish(ledger, nats.url);
    await callFor(ledger, atOnce, warmUpMs);
    const before = process.cpuUsage();
    const waits = await callFor(ledger, atOnce, roundMs);
    const { user, system } = process.cpuUsage(before);
    waits.sort((a, b) => a - b);
    const at = (share: number): string => (waits[Math.floor(waits.length * share)] ?? 0).toFixed(3).padStart(6);
    const rate = Math.round(waits.length / (roundMs / 1_000));
    const cpu = ((user + system) / waits.length).toFixed(1);
    console.log(
      `${durability.padEnd(10)}  ${(hasNats ? "yes" : "no").padEnd(4)}  ${String(atOnce).padStart(13)}  ${String(rate).padStart(7)}  ${cpu.padStart(8)}  ${at(0.5)}  ${at(0.99)}`,
    );
    await publisher?.close(0);
    await ledger.close();
  } finally {
    await nats?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function publish(ledger: UsageLedger, url: string): Publisher {
  return new Publisher(ledger.outbox, {
    access: { servers: [url] },
    stream: "USAGE",
    format: "protobuf",
    instance: "bench",
    log: quiet,
  });
}

/** The waits of all calls that ended in the time, in milliseconds. */
async function callFor(ledger: UsageLedger, atOnce: number, milliseconds: number): Promise<number[]> {
  const endMs = performance.now() + milliseconds;
  const waits: number[] = [];
  let next = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const model = events[next++ % events.length];
      if (model === undefined) return;
      const eventId = randomUUID();
      const begin: UsageEvent = { ...model, eventId, cost: undefined };
      const startedMs = performance.now();
      await ledger.start(begin);
      await ledger.finish({ ...model, eventId });
      waits.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, caller));
  return waits;
}
