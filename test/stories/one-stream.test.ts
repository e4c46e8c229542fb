// What one stream promises its reader: failover that is not seen, recovery as asked for, merged deltas, parts again at
// the end, backpressure down to the provider, a cursor after a lost connection, and one generation for equal requests.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer } from "node:net";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  CacheStatus,
  InferenceService,
  Outcome,
  RecoveryMode,
  type StreamCompleteResponse,
} from "../../src/contract.ts";
import { foldResponses } from "../fold-responses.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { readSlowly } from "../slow-reader.ts";
import { detailsOf } from "../status-details.ts";
import { ask, eventually, responseIdOf, Stage, saidIn, textOf, waitForEvent } from "./stage.ts";

let stage: Stage;
let torrent: Torrent;

beforeAll(async () => {
  torrent = await startTorrent();
  stage = await Stage.open({
    models: {
      small: ["sim/sim-small"],
      "fails-first": ["sim/sim-fail-500", "sim/sim-end-after-0", "claude/sim-small"],
      "cut-then-whole": ["sim/sim-tokens-30+cut-after-6", "claude/sim-tokens-12"],
      "cut-always": ["sim/sim-tokens-30+cut-after-6", "sim/sim-tokens-31+cut-after-6"],
      paced: ["sim/sim-tokens-60+pace-10ms"],
      once: ["sim/sim-tokens-40+pace-10ms"],
      "once-unary": ["sim/sim-tokens-41+slow-first-token-300"],
      torrent: ["torrent/torrent"],
    },
    providers: `  - { id: torrent, kind: openai-compatible, base_url: "${torrent.url}", credentials: none }\n`,
  });
});

afterAll(async () => {
  await stage?.close();
  await torrent?.close();
});

const attemptsOf = (messages: readonly StreamCompleteResponse[]) => {
  const last = messages.at(-1)?.event;
  return last?.case === "completed" ? (last.value.response?.attempts ?? []) : [];
};
const requestsOf = (model: string) => stage.simulator.requests.filter((one) => one.body.includes(`"${model}"`));

describe("a target that fails", () => {
  it("before it said anything is passed over unseen", async () => {
    const { messages, error } = await collect(stage.stream(ask("fails-first")));
    expect(error).toBeUndefined();
    expect(messages.map(({ sequence }) => sequence)).toEqual(messages.map((_, index) => index + 1));
    expect(attemptsOf(messages).map(({ outcome }) => outcome)).toContain(AttemptOutcome.FAILED);
    expect(attemptsOf(messages).at(-1)).toMatchObject({ provider: "anthropic", outcome: AttemptOutcome.SERVED });
    expect(messages.some(({ event }) => event.case === "partsReset")).toBe(false);
  });

  it("after it said something ends the stream, since a reader cannot unread", async () => {
    const before = requestsOf("sim-tokens-12").length;
    const { messages, error } = await collect(stage.stream(ask("cut-then-whole")));
    expect(error?.code).toBe(grpcStatus.ABORTED);
    expect(saidIn(messages)).not.toBe("");
    expect(requestsOf("sim-tokens-12").length).toBe(before);
    const event = await stage.eventOf(responseIdOf(messages));
    expect(event.outcome).toBe(Outcome.INTERRUPTED);
    expect(detailsOf(error as ServiceError).stream?.cost?.totalNanoUsd).toBe(event.cost?.totalNanoUsd);
  });

  it("after it said something is begun again when the caller asked for that, and both attempts are billed", async () => {
    const { messages, error } = await collect(
      stage.stream(ask("cut-then-whole"), { recovery: RecoveryMode.RESTART, repeatPartsAtEnd: true }),
    );
    expect(error).toBeUndefined();
    const reset = messages.find(({ event }) => event.case === "partsReset")?.event;
    expect(reset?.case === "partsReset" ? reset.value : undefined).toMatchObject({ keepParts: 0, attemptNumber: 2 });
    expect(attemptsOf(messages).map(({ outcome }) => outcome)).toEqual([
      AttemptOutcome.DISCARDED,
      AttemptOutcome.SERVED,
    ]);
    // What is left after the reset is the second answer, whole.
    const last = messages.at(-1)?.event;
    const repeated = last?.case === "completed" ? textOf(last.value.response?.message?.parts) : "";
    expect(textOf(foldResponses(messages).message?.parts)).toBe(repeated);
    expect(repeated.split(" ")).toHaveLength(12);
    const event = await stage.eventOf(responseIdOf(messages));
    const [first, second] = event.attempts;
    expect(first?.costNanoUsd).toBeGreaterThan(0n);
    expect(event.cost?.totalNanoUsd).toBe((first?.costNanoUsd ?? 0n) + (second?.costNanoUsd ?? 0n));
  });

  it("and leaves no other ends a stream that may restart as a failure, with what it consumed", async () => {
    const { messages, error } = await collect(stage.stream(ask("cut-always"), { recovery: RecoveryMode.RESTART }));
    expect(error).toBeDefined();
    expect(messages.some(({ event }) => event.case === "completed")).toBe(false);
    expect(detailsOf(error as ServiceError).stream?.responseId).toBe(responseIdOf(messages));
    const event = await stage.eventOf(responseIdOf(messages));
    expect(event.usage?.outputTokens).toBeGreaterThan(0);
  });
});

describe("the options of a stream", () => {
  it("coalesce deltas, and say the same in fewer events without a gap in their numbers", async () => {
    const plain = await collect(stage.stream(ask("paced")));
    const merged = await collect(stage.stream(ask("paced"), { coalesceWindow: { seconds: 0n, nanos: 200_000_000 } }));
    expect(saidIn(merged.messages)).toBe(saidIn(plain.messages));
    expect(merged.messages.length).toBeLessThan(plain.messages.length / 3);
    expect(merged.messages.map(({ sequence }) => sequence)).toEqual(merged.messages.map((_, index) => index + 1));
  });

  it("repeat all parts at the end, for a reader that does not fold", async () => {
    const { messages } = await collect(stage.stream(ask("small"), { repeatPartsAtEnd: true }));
    const last = messages.at(-1)?.event;
    expect(last?.case === "completed" && textOf(last.value.response?.message?.parts)).toBe(saidIn(messages));
    const without = await collect(stage.stream(ask("small")));
    const end = without.messages.at(-1)?.event;
    expect(end?.case === "completed" && end.value.response?.message?.parts).toEqual([]);
  });
});

describe("a reader that is slow", () => {
  it("holds the provider back, costs the gateway little memory, and still gets every byte", async () => {
    const before = residentBytes();
    const reader = readSlowly(stage.gateway.port, ask("torrent"));
    await eventually(() => (torrent.isHeldBack ? true : undefined));
    const held = torrent.bytesWritten;
    // What was written by then lies in the buffers of the sockets, and the rest is still with the provider.
    expect(held).toBeLessThan(torrent.bytes / 2);
    expect(residentBytes() - before).toBeLessThan(torrent.bytes / 2);
    await stage.complete(ask("small")); // Others are served meanwhile.
    expect(torrent.bytesWritten).toBe(held);
    expect(saidIn(await reader.rest()).length).toBe(torrent.characters);
  });
});

describe("a connection that is lost", () => {
  it("does not end a resumable stream: a cursor goes on where it broke, and there is one call and one event", async () => {
    const proxy = await startProxy(stage.gateway.port);
    const far = new TestClient(proxy.port);
    const start = { case: "request", value: ask("once", "on a shaky line") } as const;
    const stream = far.stream(InferenceService.method.streamComplete, { start, options: { resumable: true } });
    const seen: StreamCompleteResponse[] = [];
    stream.on("data", (message: StreamCompleteResponse) => seen.push(message));
    const broken = new Promise((resolve) => stream.on("error", resolve));
    await eventually(() => (seen.length > 6 ? true : undefined));
    proxy.cut();
    await broken;
    far.close();
    const cursor = { responseId: responseIdOf(seen), afterSequence: seen.at(-1)?.sequence ?? 0 };
    const rest = await collect(
      stage.client.stream(InferenceService.method.streamComplete, { start: { case: "resume", value: cursor } }),
    );
    expect(rest.error).toBeUndefined();
    const whole = [...seen, ...rest.messages];
    expect(whole.map(({ sequence }) => sequence)).toEqual(whole.map((_, index) => index + 1));
    expect(textOf(foldResponses(whole).message?.parts).split(" ")).toHaveLength(40);
    expect((await stage.eventOf(responseIdOf(seen))).outcome).toBe(Outcome.SUCCEEDED);
    expect(requestsOf("sim-tokens-40+pace-10ms")).toHaveLength(1);
    await proxy.close();
  });

  it("ends a stream that is not resumable, and a cursor into it has expired", async () => {
    const stream = stage.stream(ask("paced", "no way back"));
    const first = await waitForEvent(stream, "started");
    stream.on("error", () => undefined);
    stream.cancel();
    const responseId = first.event.case === "started" ? first.event.value.responseId : "";
    expect((await stage.eventOf(responseId)).outcome).toBe(Outcome.CANCELLED);
    const rest = await collect(
      stage.client.stream(InferenceService.method.streamComplete, {
        start: { case: "resume", value: { responseId, afterSequence: 1 } },
      }),
    );
    expect(rest.error?.code).toBe(grpcStatus.OUT_OF_RANGE);
  });
});

describe("equal requests at the same time", () => {
  it("are one provider call and one event, as a stream", async () => {
    const request = { ...ask("once", "all at once"), requestId: "joined-stream" };
    const before = requestsOf("sim-tokens-40+pace-10ms").length;
    const answers = await Promise.all(Array.from({ length: 8 }, () => collect(stage.stream(request))));
    const [first] = answers;
    for (const { messages, error } of answers) {
      expect(error).toBeUndefined();
      expect(saidIn(messages)).toBe(saidIn(first?.messages ?? []));
      expect(responseIdOf(messages)).toBe(responseIdOf(first?.messages ?? []));
    }
    expect(requestsOf("sim-tokens-40+pace-10ms").length).toBe(before + 1);
    expect((await stage.events()).filter(({ requestId }) => requestId === "joined-stream")).toHaveLength(1);
  });

  it("are one provider call and one event, unary, and say that they were joined", async () => {
    const request = { ...ask("once-unary"), requestId: "joined-unary" };
    const answers = await Promise.all(Array.from({ length: 8 }, () => stage.complete(request)));
    expect(new Set(answers.map(({ responseId }) => responseId)).size).toBe(1);
    expect(answers.filter((one) => one.responseCacheStatus === CacheStatus.COALESCED)).toHaveLength(7);
    expect(requestsOf("sim-tokens-41+slow-first-token-300")).toHaveLength(1);
    expect((await stage.events()).filter(({ requestId }) => requestId === "joined-unary")).toHaveLength(1);
  });

  it("outlive the caller that came first", async () => {
    const request = { ...ask("once-unary", "the first one leaves"), requestId: "first-leaves" };
    const leaving = new AbortController();
    const first = stage.complete(request, { signal: leaving.signal }).catch((error: ServiceError) => error.code);
    await stage.simulator.waitForRequest((one) => one.body.includes("the first one leaves"));
    const second = stage.complete(request);
    await eventually(async () => ((await stage.metric("llmgateway_calls_in_flight")) === 1 ? true : undefined));
    leaving.abort();
    expect(await first).toBe(grpcStatus.CANCELLED);
    expect(textOf((await second).message?.parts)).not.toBe("");
  });
});

/** Resident memory of the gateway process. */
function residentBytes(): number {
  const status = readFileSync(`/proc/${stage.gateway.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

type Torrent = {
  readonly url: string;
  /** Of the whole answer. */
  readonly bytes: number;
  readonly characters: number;
  readonly bytesWritten: number;
  /** Its socket has taken nothing for a while. */
  readonly isHeldBack: boolean;
  close(): Promise<void>;
};

/** A provider whose one answer is larger than all the buffers on the way, and who sees how much of it is wanted. */
async function startTorrent(): Promise<Torrent> {
  const piece = "x".repeat(64 << 10);
  const pieces = 1_024;
  const chunk = (choice: object) => `data: ${JSON.stringify({ id: "t", model: "torrent", choices: [choice] })}\n\n`;
  const frame = chunk({ index: 0, delta: { content: piece } });
  let bytesWritten = 0;
  let heldSince: number | undefined;
  const pour = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let sent = 0; sent < pieces; sent += 1) {
      bytesWritten += frame.length;
      if (response.write(frame)) continue;
      heldSince = performance.now();
      await once(response, "drain");
      heldSince = undefined;
    }
    response.end(`${chunk({ index: 0, delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`);
  };
  const server = createHttpServer((request, response) => {
    pour(request, response).catch(() => undefined); // The reader went away in the middle, as the test wants.
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    bytes: pieces * frame.length,
    characters: pieces * piece.length,
    get bytesWritten() {
      return bytesWritten;
    },
    get isHeldBack() {
      return heldSince !== undefined && performance.now() - heldSince > 300;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A line between caller and gateway that can break. */
async function startProxy(target: number) {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}
