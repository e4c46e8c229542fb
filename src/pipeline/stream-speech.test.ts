import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  ErrorReason,
  Outcome,
  StreamSpeechRequestSchema,
  type StreamSpeechResponse,
} from "../contract.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { sumUsage } from "../metering/sum-usage.ts";
import { createOpenAiProvider } from "../providers/openai/index.ts";
import type { SpeechSink } from "./ports.ts";
import type { ScriptStep } from "./testing/scripted-upstream.ts";
import { World } from "./testing/world.ts";

const provider = createOpenAiProvider({ id: "openai", kind: "openai" });
const request = create(StreamSpeechRequestSchema, { model: "m", text: "Say this.", voice: "alloy" });
const start: ScriptStep = { kind: "start", status: 200, headers: { "content-type": "audio/mpeg" } };
const broken: ScriptStep = { kind: "failure", failure: new ProviderFailure("interrupted", "the connection broke") };

function audio(...bytes: number[]): ScriptStep {
  return { kind: "data", bytes: Uint8Array.from(bytes) };
}

class RecordingSpeech implements SpeechSink {
  readonly heard: StreamSpeechResponse[] = [];
  readonly ends: ("ok" | CallFailure)[] = [];
  onPiece: () => void = () => {};

  push(piece: StreamSpeechResponse): void {
    this.heard.push(piece);
    this.onPiece();
  }

  flush(): boolean {
    return true;
  }

  succeed(): void {
    this.ends.push("ok");
  }

  fail(failure: CallFailure): void {
    this.ends.push(failure);
  }

  get bytes(): readonly number[] {
    return this.heard.flatMap(({ data }) => [...data]);
  }
}

function speak(world: World) {
  const sink = new RecordingSpeech();
  const handle = world.open("StreamSpeech").streamSpeech(request, sink);
  return { sink, handle };
}

describe("streamed speech", () => {
  it("moves on unseen until the first audio, and ends with what it cost after it, wherever a provider breaks", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(4), async (after) => {
        const whole = [start, audio(1), audio(2), audio(3)];
        const world = new World({
          providers: [provider, provider],
          scriptOf: (exchange) =>
            exchange === 0 ? [...whole.slice(0, after), broken] : [start, audio(7, 8), { kind: "end" }],
        });
        const { sink } = speak(world);
        await world.playOut();
        expect(world.leaks).toEqual([]);
        expect(world.finals[0]?.usage).toEqual(sumUsage(world.finals[0]?.attempts.map(({ usage }) => usage) ?? []));
        if (after < 2) {
          expect(sink.ends).toEqual(["ok"]);
          expect(sink.bytes).toEqual([7, 8]);
          expect(world.finals[0]?.attempts.map(({ outcome }) => outcome)).toEqual([
            AttemptOutcome.FAILED,
            AttemptOutcome.SERVED,
          ]);
          return;
        }
        const [failure] = sink.ends;
        if (failure === undefined || failure === "ok") throw new Error("it did not fail");
        expect(failure.reason).toBe(ErrorReason.STREAM_INTERRUPTED);
        expect(failure.facts.streamFailure?.usage).toEqual(world.finals[0]?.usage);
        expect(world.finals[0]?.outcome).toBe(Outcome.INTERRUPTED);
      }),
    );
  });

  it("ends once and closes the provider's connection, wherever its caller goes away", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(4), async (at) => {
        const script: readonly ScriptStep[] = [start, audio(1), audio(2), audio(3), { kind: "end" }];
        const world = new World({ providers: [provider], scriptOf: () => script });
        const { sink, handle } = speak(world);
        sink.onPiece = () => {
          if (sink.heard.length === at) handle.cancel();
        };
        if (at === 0) handle.cancel();
        await world.playOut();
        expect(sink.heard.length).toBe(at);
        expect(sink.ends).toEqual([]);
        expect(world.finals.length).toBe(1);
        expect(world.leaks).toEqual([]);
      }),
    );
  });
});
