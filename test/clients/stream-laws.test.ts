// Laws 4 to 7 and 16 to 19 of the contract, one table over the three protocols: what holds for gRPC holds for gRPC-Web and
// for Connect.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  CacheStatus,
  ErrorReason,
  InferenceService,
  Outcome,
  RecoveryMode,
  rpcDetails,
  type StreamCompleteRequestSchema,
  type StreamCompleteResponse,
  UsageSource,
} from "../../src/contract.ts";
import { foldResponses } from "../fold-responses.ts";
import { testSecret } from "../gateway-process.ts";
import { ask, eventually, Stage, textOf } from "../stories/stage.ts";

const protocols: readonly { readonly name: string; readonly connect: (baseUrl: string) => Transport }[] = [
  { name: "gRPC", connect: (baseUrl) => createGrpcTransport({ baseUrl }) },
  { name: "gRPC-Web", connect: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }) },
  { name: "Connect over HTTP/1.1", connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }) },
  { name: "Connect over HTTP/2", connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }) },
];

/** Each protocol has its own: the failures of a target are remembered. */
function failingModels(protocol: number): readonly (readonly [string, readonly string[]])[] {
  const tokens = 20 + protocol;
  return [
    [`cut-${protocol}`, [`sim/sim-tokens-${tokens}+cut-after-5`]],
    [`cut-then-whole-${protocol}`, [`sim/sim-tokens-${tokens}+cut-after-6`, "claude/sim-tokens-9"]],
    [`limited-${protocol}`, [`sim/sim-tokens-${tokens}+fail-429-retry-after-2`]],
    [`overloaded-${protocol}`, [`sim/sim-tokens-${tokens}+fail-503`]],
  ];
}

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    models: {
      paced: ["sim/sim-tokens-12+pace-10ms"],
      endless: ["sim/sim-tokens-2000+pace-20ms"],
      silent: ["sim/sim-slow-first-token-30000"],
      refused: ["sim/sim-fail-400"],
      ...Object.fromEntries(protocols.flatMap((_, index) => failingModels(index))),
    },
  });
});

afterAll(() => stage?.close());

describe.each(protocols)("the laws of calls over $name", ({ name, connect }) => {
  const own = protocols.findIndex((protocol) => protocol.name === name);
  const client = () => createClient(InferenceService, connect(`http://127.0.0.1:${stage.gateway.port}`));
  const headers = { authorization: `Bearer ${testSecret}` };
  /** Words that no other call of this file has asked with. */
  const words = (text: string) => `${text}, over ${name}`;
  const askedOf = (text: string) => stage.simulator.requests.filter(({ body }) => body.includes(text)).length;

  async function collect(request: MessageInitShape<typeof StreamCompleteRequestSchema>, leaveAfter = Infinity) {
    const leaving = new AbortController();
    const messages: StreamCompleteResponse[] = [];
    try {
      for await (const message of client().streamComplete(request, { headers, signal: leaving.signal })) {
        messages.push(message);
        if (messages.length >= leaveAfter) leaving.abort();
      }
      return { messages, error: undefined };
    } catch (error) {
      return { messages, error: ConnectError.from(error) };
    }
  }

  const begin = (model: string, text: string, maxAttempts = 3) =>
    ({ case: "request", value: { ...ask(model, words(text)), routing: { maxAttempts } } }) as const;

  it("4: a cursor gives exactly the events after it, wherever it stands", async () => {
    const { messages } = await collect({ start: begin("paced", "every cursor"), options: { resumable: true } });
    const events = messages.filter(({ event }) => event.case !== "heartbeat");
    const { responseId } = foldResponses(events);
    for (let after = 0; after <= events.length; after += 1) {
      const rest = await collect({ start: { case: "resume", value: { responseId, afterSequence: after } } });
      expect(rest.error).toBeUndefined();
      expect(rest.messages).toEqual(events.slice(after));
    }
    expect(askedOf(words("every cursor"))).toBe(1);
  });

  it("5 and 7: parts are withdrawn only when that was asked for, and the fold ends the same", async () => {
    const start = begin(`cut-then-whole-${own}`, "withdrawn");
    const { messages, error } = await collect({ start, options: { recovery: RecoveryMode.RESTART } });
    expect(error).toBeUndefined();
    const resets = messages.filter(({ event }) => event.case === "partsReset");
    expect(resets).toHaveLength(1);
    expect(textOf(foldResponses(messages).message?.parts).split(" ")).toHaveLength(9);
    for (const recovery of [RecoveryMode.UNSPECIFIED, RecoveryMode.FAIL, RecoveryMode.CONTINUE]) {
      const plain = await collect({ start: begin(`cut-${own}`, `never withdrawn ${recovery}`), options: { recovery } });
      expect(plain.messages.some(({ event }) => event.case === "partsReset")).toBe(false);
    }
  });

  it("6: numbers without a gap, started first, completed last, and none of it after a failure", async () => {
    const whole = await collect({ start: begin("paced", "in order") });
    const broken = await collect({ start: begin(`cut-${own}`, "broken") });
    for (const { messages } of [whole, broken]) {
      const counted = messages.filter(({ event }) => event.case !== "heartbeat");
      expect(counted.map(({ sequence }) => sequence)).toEqual(counted.map((_, index) => index + 1));
      expect(counted.map(({ event }) => event.case === "started").indexOf(true)).toBe(0);
    }
    const ends = [whole, broken].map(({ messages }) => messages.findIndex(({ event }) => event.case === "completed"));
    expect(ends).toEqual([whole.messages.length - 1, -1]);
    expect(broken.error?.code).toBe(Code.Aborted);
  });

  it("16: a request id is one provider call and one charge, unary and streamed, and one project's alone", async () => {
    const requestId = `law-16-${name.replaceAll(/[^A-Za-z0-9]/g, "-")}`;
    const request = { ...ask("paced", words("once")), requestId };
    let header: string | null = null;
    const first = await client().complete(request, { headers });
    const again = await client().complete(request, {
      headers,
      onHeader: (received) => {
        header = received.get("llmgateway-response-id");
      },
    });
    expect(again).toEqual({ ...first, responseCacheStatus: CacheStatus.REPLAYED });
    expect(header).toBe(first.responseId);
    const { messages } = await collect({ start: { case: "request", value: request } });
    expect(foldResponses(messages)).toEqual(again);
    const other = { ...request, ...ask("paced", words("something else")) };
    const reused = await client()
      .complete(other, { headers })
      .catch((error: unknown) => ConnectError.from(error).code);
    expect(reused).toBe(Code.AlreadyExists);
    expect(askedOf(words("once"))).toBe(1);
    const charged = (await stage.events()).filter((event) => event.requestId === requestId && event.cost !== undefined);
    expect(charged).toHaveLength(1);
  });

  it("17: a retry is named exactly when it may help, and each status has one reason and small details", async () => {
    const requests = [
      begin("refused", "seventeen", 1),
      begin(`limited-${own}`, "seventeen", 1),
      begin(`overloaded-${own}`, "seventeen", 1),
      begin(`cut-${own}`, "seventeen", 1),
      begin("no-such-model", "seventeen", 1),
      { case: "resume", value: { responseId: "no-such-response", afterSequence: 1 } } as const,
      { case: "request", value: { model: "paced" } } as const,
    ];
    for (const start of requests) {
      const { error } = await collect({ start });
      if (error === undefined) throw new Error(`${start.case} did not fail`);
      const infos = error.findDetails(rpcDetails.ErrorInfoSchema);
      expect(infos).toHaveLength(1);
      expect(Object.keys(ErrorReason)).toContain(infos[0]?.reason);
      const mayRetry = error.findDetails(rpcDetails.RetryInfoSchema).length > 0;
      expect(Number(error.metadata.get("grpc-retry-pushback-ms")) >= 0).toBe(mayRetry);
      const bytes = error.details.map((detail) =>
        "type" in detail ? detail.value.length : toBinary(detail.desc, create(detail.desc, detail.value)).length,
      );
      expect(bytes.reduce((sum, length) => sum + length, 0)).toBeLessThan(4_096);
    }
  });

  it("18: a caller who leaves closes the provider's connection, unless the stream can be resumed", async () => {
    const { error } = await collect({ start: begin("endless", "left behind") }, 4);
    expect(error?.code).toBe(Code.Canceled);
    const left = await stage.simulator.waitForRequest(({ body }) => body.includes(words("left behind")));
    expect(await left.closed).toBe("closed-early");
    const event = await eventually(async () =>
      (await stage.events()).find(
        ({ requestedModel, outcome, usage }) =>
          requestedModel === "endless" && outcome === Outcome.CANCELLED && usage?.source === UsageSource.ESTIMATED,
      ),
    );
    expect(event.attempts[0]?.outcome).toBe(AttemptOutcome.CANCELLED);

    const seen = await collect({ start: begin("paced", "comes back"), options: { resumable: true } }, 3);
    const { responseId } = startedOf(seen.messages);
    const rest = await collect({ start: { case: "resume", value: { responseId, afterSequence: 3 } } });
    const said = textOf(foldResponses([...seen.messages.slice(0, 3), ...rest.messages]).message?.parts);
    expect(said.split(" ")).toHaveLength(12);
    const kept = await stage.simulator.waitForRequest(({ body }) => body.includes(words("comes back")));
    expect(await kept.closed).toBe("answered");
  });

  it("19: an attempt ends with the caller's deadline at the latest", async () => {
    const failure = await client()
      .complete(ask("silent", words("no time")), { headers, timeoutMs: 400 })
      .catch((error: unknown) => ConnectError.from(error));
    expect(failure).toMatchObject({ code: Code.DeadlineExceeded });
    const asked = await stage.simulator.waitForRequest(({ body }) => body.includes(words("no time")));
    expect(await asked.closed).toBe("closed-early");
  });
});

function startedOf(messages: readonly StreamCompleteResponse[]): { readonly responseId: string } {
  const first = messages[0]?.event;
  if (first?.case !== "started") throw new Error("the stream did not start");
  return first.value;
}
