// Calls of a replica that is not alone, when its questions to the others take long or fail.
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CompleteRequestSchema, ErrorReason, Role, StreamCompleteRequestSchema } from "../contract.ts";
import { type SharedCalls, SharedStateError } from "../domain/shared-calls.ts";
import { createOpenAiProvider } from "../providers/openai/index.ts";
import { openAiWire, streamScript } from "./testing/chat-answers.ts";
import { foldHeard, RecordingStream } from "./testing/recording-sinks.ts";
import { settled, World } from "./testing/world.ts";

function worldWith(shared: Partial<SharedCalls>): World {
  const away = () => Promise.reject(new SharedStateError("NATS is away"));
  const sharedCalls: SharedCalls = {
    onStateFailure: "local",
    claim: away,
    announce: away,
    withdraw: () => Promise.resolve(),
    locate: away,
    isPresent: away,
    serve: () => {},
    ask: () => {
      throw new Error("the connection is closed");
    },
    ...shared,
  };
  return new World({
    providers: [createOpenAiProvider({ id: "openai", kind: "openai" })],
    scriptOf: () => streamScript(openAiWire.events({ text: ["one ", "two ", "three"] })),
    parts: { sharedCalls },
  });
}

function open(world: World, start: Parameters<typeof create<typeof StreamCompleteRequestSchema>>[1]): RecordingStream {
  const sink = new RecordingStream();
  world.open("StreamComplete").streamComplete(create(StreamCompleteRequestSchema, start), sink);
  return sink;
}

describe("a resumable stream with a request id", () => {
  it("runs once when it is asked for twice while others are told of it", async () => {
    const told: (() => void)[] = [];
    const world = worldWith({ announce: () => new Promise((resolve) => told.push(resolve)) });
    const message = {
      role: Role.USER,
      parts: [{ content: { case: "text" as const, value: { text: "Say something." } } }],
    };
    const value = create(CompleteRequestSchema, { model: "m", requestId: "a", messages: [message] });
    const start = { start: { case: "request" as const, value }, options: { resumable: true } };
    const sinks = [open(world, start), open(world, start)];
    await settled();
    expect(told).toHaveLength(2);
    for (const tell of told) {
      tell();
      await settled();
    }
    await world.playOut();
    expect(world.upstream.exchanges).toHaveLength(1);
    expect(world.finals).toHaveLength(1);
    for (const sink of sinks) {
      expect(sink.ends).toEqual(["ok"]);
      expect(foldHeard(sink.heard).response?.usage?.outputTokens).toBe(7);
    }
    expect(world.leaks).toEqual([]);
  });
});

describe("a stream that is resumed at another replica", () => {
  it("may be asked for again when the connection to that replica is closing", async () => {
    const world = worldWith({ locate: () => Promise.resolve("owner") });
    const sink = open(world, { start: { case: "resume", value: { responseId: "r", afterSequence: 3 } } });
    await settled();
    expect(sink.ends).toEqual([expect.objectContaining({ reason: ErrorReason.GATEWAY_OVERLOADED })]);
    expect(world.leaks).toEqual([]);
  });
});
