// `kill -9` in the middle of streams, and the life after it: nobody's call is lost, nothing is counted twice, and the
// journal, the stream and UsageService say the same.
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Outcome,
  type StreamCompleteResponse,
  type UsageEvent,
  UsageEventSchema,
  UsageService,
  UsageSource,
} from "../../src/contract.ts";
import { setUpStream } from "../../src/ledger/nats-setup.ts";
import { reconcile } from "../../src/ledger/reconcile.ts";
import { collect } from "../grpc-client.ts";
import { type NatsServer, startNats } from "../nats-server.ts";
import { ask, eventually, responseIdOf, Stage, saidIn } from "./stage.ts";

let nats: NatsServer;
let stage: Stage;

beforeAll(async () => {
  nats = await startNats();
  await setUpStream({ access: { servers: [nats.url] } });
  stage = await Stage.open({
    models: {
      small: ["sim/sim-small"],
      long: ["sim/sim-tokens-4000+pace-2ms"],
      slow: ["sim/sim-slow-first-token-9000"],
    },
    // Written through to the disk, as in production.
    yaml: `usage: { nats: { servers: ["${nats.url}"], stream: USAGE, subject_prefix: llmgateway } }\n`,
  });
});

afterAll(async () => {
  await stage?.close();
  await nats?.stop();
});

describe("a gateway that is killed in the middle of its calls", () => {
  it("says of each after its restart that it was lost, with what it had consumed and what that costs", async () => {
    for (let call = 0; call < 5; call += 1) await stage.complete(ask("small", `call ${call}`));
    const stream = stage.stream(ask("long"));
    const messages: StreamCompleteResponse[] = [];
    stream.on("data", (message: StreamCompleteResponse) => messages.push(message));
    const ended = new Promise((resolve) => stream.on("error", resolve));
    const unary = stage.complete(ask("slow")).catch(() => undefined);
    await stage.simulator.waitForRequest((one) => one.body.includes("sim-slow-first-token-9000"));
    // What has been said is noted now and then, first after 256 characters: those lie long behind by then.
    await eventually(() => (saidIn(messages).length > 2_500 ? true : undefined));
    stage.gateway.kill("SIGKILL");
    await stage.gateway.exited;
    await Promise.all([ended, unary]);
    await stage.restart();

    const lost = await stage.eventOf(responseIdOf(messages));
    expect(lost.outcome).toBe(Outcome.LOST);
    expect(lost.usage?.source).toBe(UsageSource.ESTIMATED);
    expect(lost.usage?.inputTokens).toBeGreaterThan(0);
    expect(lost.usage?.outputTokens).toBeGreaterThan(0);
    expect(lost.cost?.totalNanoUsd).toBeGreaterThan(0n);
    expect(lost.principal?.projectId).toBe("search");
    const other = await stage.eventOfModel("slow");
    expect(other.outcome).toBe(Outcome.LOST);
    expect(other.usage?.outputTokens ?? 0).toBe(0);
    expect(await stage.metric("llmgateway_lost_calls_total")).toBe(2);
    for (const life of new Set((await stage.events()).map((event) => event.instanceBootId))) {
      const numbers = (await stage.events())
        .filter((event) => event.instanceBootId === life)
        .map((event) => Number(event.instanceSequence));
      expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, index) => index + 1));
    }
  });

  it("has the same sums in the journal, in the stream and in QueryUsage", async () => {
    await collect(stage.stream(ask("small", "one more in the second life"))).then(({ messages }) =>
      stage.eventOf(responseIdOf(messages)),
    );
    await eventually(async () => ((await stage.metric("llmgateway_outbox_depth")) === 0 ? true : undefined));
    const listed = await stage.events();
    const streamed = await readStream(nats.url);
    expect(streamed.length).toBe(8);
    expect(sumsOf(streamed)).toEqual(sumsOf(listed));
    const { rows } = await stage.client.unary(UsageService.method.queryUsage, { filter: {} });
    const [all] = rows;
    expect({
      events: Number(all?.requestCount),
      inputTokens: Number(all?.inputTokens),
      outputTokens: Number(all?.outputTokens),
      costNanoUsd: all?.costNanoUsd,
    }).toEqual(sumsOf(streamed));
    const compared = await reconcile({
      folders: [join(stage.gateway.folder, "data/journal")],
      access: { servers: [nats.url] },
      sinceMs: 0,
      bookedIds: streamed.map(({ eventId }) => eventId),
    });
    expect(compared).toEqual({
      inJournal: 8,
      inStream: 8,
      booked: 8,
      waiting: 0,
      missingInStream: [],
      doubledInStream: [],
      differing: [],
      missingInDatabase: [],
      doubledInDatabase: [],
      reported: [],
    });
  });
});

async function readStream(url: string): Promise<readonly UsageEvent[]> {
  const connection = await connect({ servers: url });
  const { messages } = (await (await jetstreamManager(connection)).streams.info("USAGE")).state;
  const consumer = await jetstream(connection).consumers.get("USAGE");
  const events: UsageEvent[] = [];
  for await (const message of await consumer.fetch({ max_messages: messages, expires: 2_000 })) {
    events.push(fromBinary(UsageEventSchema, message.data));
    if (events.length === messages) break;
  }
  await connection.close();
  return events;
}

function sumsOf(events: readonly UsageEvent[]) {
  const sum = (of: (event: UsageEvent) => number) => events.reduce((total, event) => total + of(event), 0);
  return {
    events: events.length,
    inputTokens: sum(({ usage }) => usage?.inputTokens ?? 0),
    outputTokens: sum(({ usage }) => usage?.outputTokens ?? 0),
    costNanoUsd: events.reduce((total, { cost }) => total + (cost?.totalNanoUsd ?? 0n), 0n),
  };
}
