import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNats } from "../../../test/nats-server.ts";
import { type ClaimOutcome, SharedStateError } from "../../domain/shared-calls.ts";
import { type ClusteredCalls, createClusteredCalls } from "./clustered-calls.ts";

let nats: NatsServer;
const opened: { calls: ClusteredCalls; connection: NatsConnection | undefined }[] = [];

beforeAll(async () => {
  nats = await startNats();
});
afterEach(async () => {
  for (const { calls } of opened.splice(0)) await calls.close();
});
afterAll(() => nats?.stop());

/** One replica; `die` closes its connection without a word, as a killed process does. */
async function replica(url = nats.url, outcomesBytesMax = 64 << 20) {
  let connection: NatsConnection | undefined;
  const calls = createClusteredCalls({
    connect: async () => {
      connection = await connect({ servers: url, reconnectTimeWait: 20, maxReconnectAttempts: -1 });
      return connection;
    },
    onStateFailure: "local",
    rememberMs: 60_000,
    outcomeBytesMax: 3 << 20,
    outcomesBytesMax,
    presenceMs: 1_000,
    linkTimes: { pulseMs: 50, silenceMs: 500 },
  });
  await calls.tried;
  opened.push({ calls, connection });
  return { calls, die: () => connection?.close() };
}

async function streamOf(url: string, name: string) {
  const connection = await connect({ servers: url });
  try {
    return (await (await jetstreamManager(connection)).streams.info(name)).config;
  } finally {
    await connection.close();
  }
}

let ids = 0;
function newKey() {
  ids += 1;
  return { projectId: "p", requestId: `q${ids}` };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function claimOf(outcome: ClaimOutcome) {
  if (outcome.kind !== "ours") throw new Error(`the claim is ${outcome.kind}`);
  return outcome.claim;
}

const mine = { digest: "d", responseId: "mine" };
const theirs = { digest: "d", responseId: "theirs" };

describe("a claim", () => {
  it("is one replica's, however many try at once", async () => {
    const replicas = await Promise.all([replica(), replica(), replica()]);
    const key = newKey();
    const tries = [...replicas, ...replicas, ...replicas, ...replicas].map(({ calls }, index) =>
      calls.claim(key, { digest: "d", responseId: `r${index}` }, undefined),
    );
    const kinds = (await Promise.all(tries)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "ours")).toHaveLength(1);
    expect(kinds.filter((kind) => kind === "running")).toHaveLength(11);
  });

  it("keeps an outcome of several pieces for all, but none that is too large", async () => {
    const [one, two] = [await replica(), await replica()];
    const outcome = Buffer.alloc(1_500_000, "outcome");
    const key = newKey();
    await claimOf(await one.calls.claim(key, mine, undefined)).keep(outcome);
    const read = await two.calls.claim(key, theirs, undefined);
    expect(read).toMatchObject({ kind: "over", responseId: "mine" });
    expect(read.kind === "over" && outcome.equals(read.outcome)).toBe(true);
    const large = newKey();
    await claimOf(await one.calls.claim(large, mine, undefined)).keep(Buffer.alloc((3 << 20) + 1));
    expect((await two.calls.claim(large, theirs, undefined)).kind).toBe("running");
  });

  it("refuses another payload, and does not reach another project", async () => {
    const { calls } = await replica();
    const key = newKey();
    await calls.claim(key, mine, undefined);
    expect((await calls.claim(key, { ...theirs, digest: "other" }, undefined)).kind).toBe("other-payload");
    expect((await calls.claim({ ...key, projectId: "other" }, theirs, undefined)).kind).toBe("ours");
  });

  it("is free again when it was released, or its owner does not know it", async () => {
    const [one, two] = [await replica(), await replica()];
    const key = newKey();
    await claimOf(await one.calls.claim(key, mine, undefined)).release();
    expect((await two.calls.claim(key, theirs, undefined)).kind).toBe("ours");
    expect((await one.calls.claim(key, mine, "somebody else")).kind).toBe("running");
    expect((await one.calls.claim(key, mine, "theirs")).kind).toBe("ours");
  });

  it("of a dead replica is taken over by one of those who wait, and its late outcome is not kept", async () => {
    const [one, two, three] = [await replica(), await replica(), await replica()];
    const key = newKey();
    const claim = claimOf(await one.calls.claim(key, mine, undefined));
    await one.die();
    expect((await two.calls.claim(key, theirs, undefined)).kind).toBe("running");
    await until(async () => !(await two.calls.isPresent(one.calls.instance)));
    const outcomes = await Promise.all([
      two.calls.claim(key, { digest: "d", responseId: "by two" }, undefined),
      three.calls.claim(key, { digest: "d", responseId: "by three" }, undefined),
    ]);
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(["ours", "running"]);
    await claim.keep(Buffer.from("too late"));
    expect((await two.calls.claim(key, theirs, undefined)).kind).toBe("running");
  });

  it("rejects at once while NATS is away, and works again when it is back", async () => {
    const { calls } = await replica();
    await calls.claim(newKey(), mine, undefined);
    await nats.kill();
    await until(() =>
      calls.isPresent("x").then(
        () => false,
        (error) => error instanceof SharedStateError,
      ),
    );
    await expect(calls.claim(newKey(), mine, undefined)).rejects.toThrow(SharedStateError);
    await nats.restart();
    await until(() =>
      calls.claim(newKey(), mine, undefined).then(
        () => true,
        () => false,
      ),
    );
  });
});

describe("a bucket of outcomes that is full", () => {
  it("drops the oldest, and no claim", async () => {
    const small = await startNats();
    const { calls } = await replica(small.url, 2 << 20);
    try {
      const keys = [newKey(), newKey(), newKey(), newKey()];
      await until(async () => (await streamOf(small.url, "KV_llmgateway_outcomes")).discard === "old");
      for (const [index, key] of keys.entries()) {
        const claim = claimOf(await calls.claim(key, { digest: "d", responseId: `r${index}` }, undefined));
        await claim.keep(Buffer.alloc(900_000, "x"));
      }
      const kinds = [];
      for (const key of keys.toReversed()) kinds.push((await calls.claim(key, theirs, undefined)).kind);
      expect(kinds).toEqual(["over", "over", "ours", "ours"]);
      expect((await streamOf(small.url, "KV_llmgateway_calls")).discard).toBe("new");
    } finally {
      await calls.close();
      await small.stop();
    }
  });
});

describe("a stream that others may look for", () => {
  it("is found by its project while its replica lives, and until it is withdrawn", async () => {
    const [one, two] = [await replica(), await replica()];
    const key = { projectId: "p", responseId: "r" };
    await one.calls.announce(key);
    expect(await two.calls.locate(key)).toBe(one.calls.instance);
    expect(await two.calls.locate({ ...key, projectId: "other" })).toBeUndefined();
    await one.calls.withdraw(key);
    expect(await two.calls.locate(key)).toBeUndefined();
    await one.calls.announce(key);
    await one.calls.close();
    expect(await two.calls.locate(key)).toBeUndefined();
  });
});

describe("a link", () => {
  it("carries everything in order, and holds back what is not taken", async () => {
    const [owner, asker] = [await replica(), await replica()];
    const whole = Buffer.alloc(4 << 20, "0123456789abcdef");
    let drained = 0;
    let hadRoom: boolean | undefined;
    owner.calls.serve((question, link) => {
      if (Buffer.from(question).toString() !== "give me all") {
        link.end();
        return undefined;
      }
      hadRoom = link.send(whole);
      link.end();
      return { drained: () => (drained += 1), gone() {} };
    });
    const pieces: Uint8Array[] = [];
    let [waiting, isTaking, hasEnded] = [0, false, false];
    const link = asker.calls.ask(owner.calls.instance, Buffer.from("give me all"), {
      bytes: (bytes) => {
        pieces.push(Uint8Array.from(bytes));
        if (isTaking) link.taken(bytes.length);
        else waiting += bytes.length;
      },
      ended: () => {
        hasEnded = true;
      },
      lost: () => expect.unreachable("the link was lost"),
    });
    await until(() => waiting >= 512 << 10);
    let isAnswered = false; // What was sent before this answer has come before it.
    const listener = { bytes() {}, ended: () => (isAnswered = true), lost() {} };
    asker.calls.ask(owner.calls.instance, Buffer.from("are you there"), listener);
    await until(() => isAnswered);
    expect([hadRoom, waiting]).toEqual([false, 512 << 10]);
    isTaking = true;
    link.taken(waiting);
    await until(() => hasEnded);
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
    expect(drained).toBe(0); // The end went with it.
  });

  it("is lost at once when nobody is there, and after a while when its owner falls silent", async () => {
    const [owner, asker] = [await replica(), await replica()];
    let lost = 0;
    const listener = { bytes() {}, ended() {}, lost: () => (lost += 1) };
    asker.calls.ask("nobody", Buffer.from("?"), listener);
    await until(() => lost === 1);
    owner.calls.serve(() => ({ drained() {}, gone() {} }));
    asker.calls.ask(owner.calls.instance, Buffer.from("?"), listener);
    await owner.die();
    await until(() => lost === 2);
  });

  it("tells the owner who left, and who died", async () => {
    const [owner, asker] = [await replica(), await replica()];
    let [asked, gone] = [0, 0];
    owner.calls.serve(() => {
      asked += 1;
      return { drained() {}, gone: () => (gone += 1) };
    });
    const listener = { bytes() {}, ended() {}, lost() {} };
    const left = asker.calls.ask(owner.calls.instance, Buffer.from("?"), listener);
    asker.calls.ask(owner.calls.instance, Buffer.from("?"), listener);
    await until(() => asked === 2);
    left.leave();
    await until(() => gone === 1);
    await asker.die();
    await until(() => gone === 2);
  });
});
