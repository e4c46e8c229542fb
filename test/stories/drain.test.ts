// SIGTERM: what runs may finish, what comes is refused with a retry, what does not finish in time has a typed end, every
// one of them has its event, and the process ends with 0.
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import {
  CompleteRequestSchema,
  ErrorReason,
  InferenceService,
  Outcome,
  type StreamCompleteResponse,
  UsageService,
} from "../../src/contract.ts";
import { testSecret } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";
import { ask, eventually, responseIdOf, Stage, saidIn, waitForEvent } from "./stage.ts";

let stage: Stage;

afterEach(() => stage?.close());

const openStage = (drainTimeout: string, yaml?: string) =>
  Stage.open({
    yaml,
    models: {
      small: ["sim/sim-small"],
      short: ["sim/sim-tokens-60+pace-20ms"],
      endless: ["sim/sim-tokens-900+pace-20ms"],
      waiting: ["sim/sim-slow-first-token-20000"],
    },
    server: `{ listen: 127.0.0.1:0, drain_timeout: ${drainTimeout} }`,
  });

/** The status of a probe; `undefined`: nobody listens any more. */
async function probe(path: string): Promise<number | undefined> {
  const answer = await fetch(`http://127.0.0.1:${stage.gateway.port}${path}`).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status;
}

describe("SIGTERM", () => {
  it("lets a running stream finish before the deadline, takes no new connection, and ends with 0", async () => {
    stage = await openStage("20s");
    expect(await probe("/readyz")).toBe(200);
    const stream = stage.stream(ask("short"));
    const messages: StreamCompleteResponse[] = [];
    stream.on("data", (message: StreamCompleteResponse) => messages.push(message));
    await waitForEvent(stream, "partDelta");
    const ended = new Promise((resolve) => stream.on("end", resolve));
    stage.gateway.kill("SIGTERM");
    await eventually(async () => ((await probe("/readyz")) === undefined ? true : undefined));
    const late = new TestClient(stage.gateway.port);
    const refused = await late
      .unary(InferenceService.method.complete, ask("small"))
      .catch((error: ServiceError) => error);
    expect((refused as ServiceError).code).toBe(grpcStatus.UNAVAILABLE);
    late.close();
    await ended;
    expect(saidIn(messages).split(" ")).toHaveLength(60);
    expect(messages.at(-1)?.event.case).toBe("completed");
    expect(await stage.gateway.exited).toBe(0);
    await stage.restart();
    expect((await stage.eventOf(responseIdOf(messages))).outcome).toBe(Outcome.SUCCEEDED);
  });

  it("ends what did not finish in time with a typed failure and its event, and ends with 0", async () => {
    stage = await openStage("500ms");
    const stream = collect(stage.stream(ask("endless")));
    const unary = stage.complete(ask("waiting")).catch((error: ServiceError) => error);
    await stage.simulator.waitForRequest((one) => one.body.includes("sim-tokens-900"));
    await stage.simulator.waitForRequest((one) => one.body.includes("sim-slow-first-token-20000"));
    stage.gateway.kill("SIGTERM");
    const { messages, error } = await stream;
    expect(error?.code).toBe(grpcStatus.UNAVAILABLE);
    const details = detailsOf(error as ServiceError);
    expect(details.info?.reason).toBe("GATEWAY_OVERLOADED");
    expect(details.retry).toBeDefined();
    expect(details.stream?.lastSequence).toBe(messages.at(-1)?.sequence);
    const failure = (await unary) as ServiceError;
    expect(failure.code).toBe(grpcStatus.UNAVAILABLE);
    expect(detailsOf(failure).info?.reason).toBe("GATEWAY_OVERLOADED");
    expect(await stage.gateway.exited).toBe(0);
    expect(stage.simulator.open).toBe(0);
    await stage.restart();
    const cut = await stage.eventOf(responseIdOf(messages));
    expect(cut.outcome).not.toBe(Outcome.LOST);
    expect(cut.errorReason).toBe(ErrorReason.GATEWAY_OVERLOADED);
    expect(cut.usage?.outputTokens).toBeGreaterThan(0);
    expect((await stage.eventOfModel("waiting")).errorReason).toBe(ErrorReason.GATEWAY_OVERLOADED);
    expect(await stage.metric("llmgateway_lost_calls_total")).toBe(0);
  });

  it("is not held up by connections that are idle, nor by somebody who watches usage", async () => {
    stage = await openStage("60s");
    await stage.complete(ask("small"));
    const watch = collect(stage.client.stream(UsageService.method.watchUsageEvents, {}));
    const probing = connect(stage.gateway.port, "127.0.0.1");
    probing.on("error", () => undefined);
    await once(probing, "connect");
    stage.gateway.kill("SIGTERM");
    expect(await stage.gateway.exited).toBe(0); // Long before the drain deadline, which is later than this test's.
    const { error } = await watch;
    expect(error?.code).toBe(grpcStatus.UNAVAILABLE);
  });

  it("leaves what NATS could not take to the next life", async () => {
    stage = await openStage(
      "5s",
      'usage: { nats: { servers: ["nats://127.0.0.1:9"], stream: USAGE, subject_prefix: x } }\n',
    );
    await stage.complete(ask("small"));
    stage.gateway.kill("SIGTERM");
    expect(await stage.gateway.exited).toBe(0);
    await stage.restart();
    expect(await stage.metric("llmgateway_outbox_depth")).toBe(1);
    expect((await stage.events()).map(({ outcome }) => outcome)).toEqual([Outcome.SUCCEEDED]);
  });

  it("refuses a call that an old connection brings late, with a retry and an event, and probes say 503", async () => {
    stage = await openStage("5s");
    const running = collect(stage.stream(ask("endless")));
    await stage.simulator.waitForRequest((one) => one.body.includes("sim-tokens-900"));
    const call = beginCall(stage.gateway.port);
    const ready = await beginProbe(stage.gateway.port);
    await call.arrived;
    stage.gateway.kill("SIGTERM");
    await eventually(async () => ((await probe("/readyz")) === undefined ? true : undefined));
    expect(await ready.end()).toMatch(/^HTTP\/1\.1 503 /);
    const trailers = await call.end();
    expect(trailers["grpc-status"]).toBe(String(grpcStatus.UNAVAILABLE));
    expect(Number(trailers["grpc-retry-pushback-ms"])).toBeGreaterThanOrEqual(0);
    stage.gateway.kill("SIGKILL"); // The long stream is of no more interest.
    await running;
    await stage.gateway.exited;
    await stage.restart();
    const event = await stage.eventOfModel("small");
    expect(event.errorReason).toBe(ErrorReason.GATEWAY_OVERLOADED);
    expect(event.attempts).toEqual([]);
  });
});

/** The headers of a call; its message follows with `end`, which gives the trailers. */
function beginCall(port: number) {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": "/llmgateway.v1.InferenceService/Complete",
    "content-type": "application/grpc",
    authorization: `Bearer ${testSecret}`,
  });
  const message = toBinary(CompleteRequestSchema, create(CompleteRequestSchema, ask("small")));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.write(head);
  return {
    /** An answer to a PING that was sent behind the headers. */
    arrived: new Promise<void>((resolve) => session.once("connect", () => session.ping(() => resolve()))),
    end: async (): Promise<Readonly<Record<string, unknown>>> => {
      const heard = Promise.race([once(stream, "response"), once(stream, "trailers")]);
      stream.end(message);
      const [headers] = await heard;
      session.close();
      return headers;
    },
  };
}

/** All but the last line of a probe; `end` gives what was answered. */
async function beginProbe(port: number) {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write("GET /readyz HTTP/1.1\r\nhost: gateway\r\n");
  return {
    end: async (): Promise<string> => {
      socket.write("\r\n");
      const [answer] = await once(socket, "data");
      socket.destroy();
      return String(answer);
    },
  };
}
