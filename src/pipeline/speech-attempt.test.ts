import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { StreamSpeechRequestSchema } from "../contract.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { SpeechOperation } from "../providers/provider.ts";
import type { ExchangeHandler } from "../upstream/upstream.ts";
import { CallScope } from "./call-scope.ts";
import { defaultPipelineLimits, type PipelineParts } from "./pipeline-parts.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { SpeechAttempt } from "./speech-attempt.ts";

/** An exchange in the hands of the test: what was done to it, and the side that speaks. */
function stage(flush: () => boolean) {
  const done: string[] = [];
  const heard: number[] = [];
  let handler: ExchangeHandler | undefined;
  const operation: SpeechOperation = {
    toHttpRequest: () => ({ kind: "unsupported", violations: [] }),
    createReader: () => ({
      mediaType: "audio/wav",
      read: (bytes) => [bytes],
      finish: () => ({ usage: undefined, responseModel: "", warnings: [] }),
    }),
  };
  const parts = {
    upstream: {
      dispatch: (_providerId: string, _request: unknown, given: ExchangeHandler) => {
        handler = given;
        return {
          abort: () => void done.push("abort"),
          pause: () => void done.push("pause"),
          resume: () => void done.push("resume"),
        };
      },
    },
    clock: { nowMs: () => 0, monotonicMs: () => 0 },
    limits: defaultPipelineLimits,
  } as unknown as PipelineParts;
  const provider = { toFailure: (status: number) => new ProviderFailure("unavailable", "no", { httpStatus: status }) };
  const ready = {
    planned: { target: { providerId: "p" } },
    configured: { provider },
    operation,
    request: {},
    credential: { kind: "none" },
  } as unknown as ReadyAttempt<SpeechOperation>;
  const limits = { totalMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 };
  const attempt = new SpeechAttempt(parts, ready, create(StreamSpeechRequestSchema, {}), limits, {
    audio: (data) => void heard.push(...data),
    flush,
  });
  const scope = new CallScope(undefined);
  const result = attempt.run(scope).catch((error: unknown) => error);
  if (handler === undefined) throw new Error("nothing was sent");
  return { attempt, done, heard, result, scope, provider: handler };
}

describe("an attempt at speech", () => {
  it("stops reading while the caller cannot take more, and goes on when it can", async () => {
    let isFull = false;
    const { attempt, done, heard, provider, result } = stage(() => !isFull);
    provider.onStart(200, {});
    provider.onData(new Uint8Array([1]));
    expect(done).toEqual([]);
    isFull = true;
    provider.onData(new Uint8Array([2]));
    expect(done).toEqual(["pause"]);
    isFull = false;
    attempt.resume();
    provider.onData(new Uint8Array([3]));
    provider.onEnd();
    expect(done).toEqual(["pause", "resume"]);
    expect(heard).toEqual([1, 2, 3]);
    expect(await result).toMatchObject({ responseModel: "" });
  });

  it("closes the connection at once when the call is stopped, and hears nothing more", async () => {
    const { done, heard, provider, result, scope } = stage(() => true);
    provider.onStart(200, {});
    provider.onData(new Uint8Array([1]));
    scope.stop("caller");
    provider.onData(new Uint8Array([2]));
    expect(done).toEqual(["abort"]);
    expect(heard).toEqual([1]);
    expect(await result).toMatchObject({ name: "Stopped", stopCause: "caller" });
  });

  it("is no success without audio", async () => {
    const { provider, result } = stage(() => true);
    provider.onStart(200, {});
    provider.onEnd();
    expect(await result).toMatchObject({ name: "ProviderFailure", kind: "bad-response" });
  });

  it("reads a refusal to its end, and no further than the limit", async () => {
    const { done, heard, provider, result } = stage(() => true);
    provider.onStart(503, {});
    provider.onData(new Uint8Array(defaultPipelineLimits.errorBytesMax + 1));
    expect(done).toEqual(["abort"]);
    expect(heard).toEqual([]);
    expect(await result).toMatchObject({ kind: "unavailable", facts: { httpStatus: 503 } });
  });
});
