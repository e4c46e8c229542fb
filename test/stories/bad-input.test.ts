// Bad input to the whole process: each gets a clear, typed error, others are served meanwhile, and no event is lost.
import { hash } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CompleteRequestSchema, Outcome, Role, StreamCompleteRequestSchema } from "../../src/contract.ts";
import { testSecret } from "../gateway-process.ts";
import { collect } from "../grpc-client.ts";
import { detailsOf, readDetails } from "../status-details.ts";
import { type Ask, ask, eventually, Stage } from "./stage.ts";

let stage: Stage;

beforeAll(async () => {
  const digest = (secret: string) => `sha256:${hash("sha256", secret, "hex")}`;
  const roles = "roles: [inference, usage]";
  stage = await Stage.open({
    models: {
      small: ["sim/sim-small"],
      hidden: ["sim/sim-small"],
      garbage: ["sim/sim-garbage"],
      html: ["sim/sim-html"],
      reset: ["sim/sim-reset"],
    },
    keys: `keys:
  - { id: test, project: search, digest: "${digest(testSecret)}", ${roles}, models: ["*"] }
  - { id: narrow, project: search, digest: "${digest("narrow-secret")}", ${roles}, models: [small] }
  - { id: revoked, project: search, digest: "${digest("revoked-secret")}", ${roles}, disabled: true }
  - { id: expired, project: search, digest: "${digest("expired-secret")}", ${roles}, expires: 2020-01-01 }
`,
  });
});

afterAll(() => stage?.close());

/** After each of them, somebody else is served, and every call that was begun is over. */
afterEach(async () => {
  expect((await stage.complete(ask("small"))).responseId).not.toBe("");
  await eventually(async () => ((await stage.metric("llmgateway_calls_in_flight")) === 0 ? true : undefined));
});

const failureOf = async (call: Promise<unknown>): Promise<ServiceError> => {
  const error = await call.then(
    () => undefined,
    (reason: ServiceError) => reason,
  );
  if (error === undefined) throw new Error("the call did not fail");
  return error;
};

const fieldsOf = (failure: ServiceError) => detailsOf(failure).violations?.map(({ field }) => field) ?? [];

describe("a connection that speaks no protocol", () => {
  const cases = {
    "garbage bytes": Buffer.from([0xff, 0x00, 0xfe, 0x13, 0x37, 0x0a, 0x00, 0xff]),
    "a single byte": Buffer.from("P"),
    "half a preface": Buffer.from("PRI * HTTP/2.0\r\n\r\nSM"),
    "a preface and then garbage": Buffer.from(
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0001\u0002 garbage garbage garbage",
    ),
    "a request line without an end": Buffer.from(`GET /${"x".repeat(100_000)}`),
    "half a TLS greeting": Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
    nothing: Buffer.alloc(0),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`(${name}) does no harm, and its end is the end of it`, async () => {
      const socket = connect(stage.gateway.port, "127.0.0.1");
      socket.on("error", () => undefined);
      await once(socket, "connect");
      const closed = once(socket, "close");
      socket.write(bytes);
      await stage.complete(ask("small")); // While it hangs.
      socket.resume();
      socket.end();
      await closed;
    });
  }
});

describe("a message that cannot be read", () => {
  const raw = (bytes: Uint8Array) => sendRaw("Complete", toFrame(bytes));

  it("because it is garbage is an invalid argument, and has its event", async () => {
    const before = (await stage.events()).length;
    expect(await raw(Buffer.from([0xff, 0xff, 0xff, 0x07, 0x01]))).toEqual({
      status: String(grpcStatus.INVALID_ARGUMENT),
      reason: "INVALID_REQUEST",
    });
    const events = await stage.events();
    expect(events.length).toBe(before + 1);
    expect(events.some(({ outcome }) => outcome === Outcome.REJECTED)).toBe(true);
  });

  it("because its text is not UTF-8 is an invalid argument", async () => {
    const message = toBinary(CompleteRequestSchema, create(CompleteRequestSchema, ask("small", "BROKEN")));
    const at = Buffer.from(message).indexOf("BROKEN");
    message.set([0xc3, 0x28], at);
    expect((await raw(message)).status).toBe(String(grpcStatus.INVALID_ARGUMENT));
  });

  it("because it is cut off is an invalid argument", async () => {
    const frame = toFrame(toBinary(CompleteRequestSchema, create(CompleteRequestSchema, ask("small"))));
    expect((await sendRaw("Complete", frame.subarray(0, 20))).status).toBe(String(grpcStatus.INVALID_ARGUMENT));
    expect((await sendRaw("StreamComplete", Buffer.alloc(0))).status).toBe(String(grpcStatus.INVALID_ARGUMENT));
  });

  it("because it says that it is larger than allowed is refused before it is sent", async () => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(0xffff_fff0, 1);
    expect(await sendRaw("Complete", head, "stays open")).toEqual({
      status: String(grpcStatus.INVALID_ARGUMENT),
      reason: "PAYLOAD_TOO_LARGE",
    });
  });

  it("because it is larger than allowed is refused", async () => {
    const failure = await failureOf(stage.complete(ask("small", "x".repeat(33 << 20))));
    expect(failure.code).toBe(grpcStatus.INVALID_ARGUMENT);
    expect(detailsOf(failure).info?.reason).toBe("PAYLOAD_TOO_LARGE");
  });
});

describe("a request that breaks the contract", () => {
  const rejected: Readonly<Record<string, [Ask, string]>> = {
    "without messages": [{ model: "small" }, "messages"],
    "without a model": [ask(""), "model"],
    "with an unknown role": [
      { ...ask("small"), messages: [{ ...ask("small").messages[0], role: 99 as Role }] },
      "role",
    ],
    "with an unknown kind of reasoning": [{ ...ask("small"), reasoning: { effort: 77 as never } }, "effort"],
    "with an impossible temperature": [{ ...ask("small"), sampling: { temperature: Number.NaN } }, "temperature"],
    "with 10,001 stop sequences": [
      { ...ask("small"), sampling: { stopSequences: Array.from({ length: 10_001 }, () => "x") } },
      "stop_sequences",
    ],
  };
  for (const [name, [request, field]] of Object.entries(rejected)) {
    it(`(${name}) names the field, asks no provider, and has its event`, async () => {
      const asked = stage.simulator.requests.length;
      const before = (await stage.events()).length;
      const failure = await failureOf(stage.complete(request));
      expect(failure.code).toBe(grpcStatus.INVALID_ARGUMENT);
      expect(detailsOf(failure).info?.reason).toBe("INVALID_REQUEST");
      expect(fieldsOf(failure).join()).toContain(field);
      expect(stage.simulator.requests.length).toBe(asked);
      expect((await stage.events()).length).toBe(before + 1); // Before the answer, as with every other end.
    });
  }

  it("as a stream without a start is refused, too", async () => {
    const bytes = toBinary(StreamCompleteRequestSchema, create(StreamCompleteRequestSchema, {}));
    expect((await sendRaw("StreamComplete", toFrame(bytes))).status).toBe(String(grpcStatus.INVALID_ARGUMENT));
  });
});

describe("a request that is merely large", () => {
  it("with 4,096 messages is answered, and with 10,000 is told the limit", async () => {
    const turns = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        role: index % 2 === 0 ? Role.USER : Role.ASSISTANT,
        parts: ask("small", "word").messages[0]?.parts ?? [],
      }));
    const answered = await stage.complete({ model: "small", messages: turns(4_095) });
    expect(answered.usage?.inputTokens).toBeGreaterThan(4_000);
    const failure = await failureOf(stage.complete({ model: "small", messages: turns(10_000) }));
    expect(failure.code).toBe(grpcStatus.INVALID_ARGUMENT);
    expect(fieldsOf(failure)).toEqual(["messages"]);
  });

  it("with an image of 20 MB is answered", async () => {
    const data = new Uint8Array(20 << 20).fill(0x5a);
    const image = {
      content: {
        case: "image" as const,
        value: { mediaType: "image/png", source: { case: "data" as const, value: data } },
      },
    };
    const parts = [...(ask("small").messages[0]?.parts ?? []), image];
    const { usage } = await stage.complete({ model: "small", messages: [{ role: Role.USER, parts }] });
    expect(usage?.inputTokens).toBeGreaterThan(0);
  });
});

describe("a caller that may not", () => {
  it("with a wrong, revoked or expired key, or none, is told the same, and leaves no event", async () => {
    const before = (await stage.events()).length;
    const texts = new Set<string>();
    for (const secret of ["wrong", "revoked-secret", "expired-secret", "", "x".repeat(9_000)]) {
      const failure = await failureOf(stage.complete(ask("small"), { secret }));
      expect(failure.code).toBe(grpcStatus.UNAUTHENTICATED);
      expect(detailsOf(failure).info?.reason).toBe("CREDENTIALS_INVALID");
      texts.add(failure.details);
    }
    expect(texts.size).toBe(1);
    expect((await stage.events()).length).toBe(before);
  });

  it("names a model that is not there, or not for it, and has an event", async () => {
    const unknown = await failureOf(stage.complete(ask("no-such-model")));
    expect(unknown.code).toBe(grpcStatus.NOT_FOUND);
    expect(detailsOf(unknown).info?.reason).toBe("MODEL_NOT_FOUND");
    expect((await stage.eventOfModel("no-such-model")).outcome).toBe(Outcome.REJECTED);
    // Does not tell what exists.
    const hidden = await failureOf(stage.complete(ask("hidden"), { secret: "narrow-secret" }));
    const absent = await failureOf(stage.complete(ask("absent"), { secret: "narrow-secret" }));
    expect([hidden.code, absent.code]).toEqual([grpcStatus.PERMISSION_DENIED, grpcStatus.PERMISSION_DENIED]);
    expect(hidden.details).toBe(absent.details.replaceAll("absent", "hidden"));
  });

  it("calls a method that does not exist is told so", async () => {
    const answer = await sendRaw("Nonsense", toFrame(new Uint8Array()));
    expect(answer).toEqual({ status: String(grpcStatus.UNIMPLEMENTED), reason: "FEATURE_DISABLED" });
  });
});

describe("a provider that answers nonsense", () => {
  for (const model of ["garbage", "html", "reset"]) {
    it(`(${model}) is an error that may be retried, unary and as a stream, never an empty answer`, async () => {
      const unary = await failureOf(stage.complete(ask(model)));
      const { error } = await collect(stage.stream(ask(model)));
      for (const failure of [unary, error]) {
        expect(failure?.code).toBe(grpcStatus.UNAVAILABLE);
        expect(detailsOf(failure as ServiceError).retry).toBeDefined();
      }
    });
  }
});

/** One gRPC call of bare bytes; gives the code and the reason. "stays open": the request is never ended. */
async function sendRaw(method: string, bytes: Uint8Array, end: "ends" | "stays open" = "ends") {
  const session = connectHttp2(`http://127.0.0.1:${stage.gateway.port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": `/llmgateway.v1.InferenceService/${method}`,
    "content-type": "application/grpc",
    authorization: `Bearer ${testSecret}`,
  });
  stream.on("error", () => undefined);
  const heard = once(stream, "response");
  if (end === "ends") stream.end(bytes);
  else stream.write(bytes);
  const [headers] = await heard;
  session.destroy();
  const details = Buffer.from(String(headers["grpc-status-details-bin"]), "base64");
  return { status: headers["grpc-status"], reason: readDetails(details).info?.reason };
}

function toFrame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
