// An in-memory gateway that answers with what it was asked, for the tests of the listening side.
import { EventEmitter } from "node:events";
import { create } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  type CompleteResponse,
  CompleteResponseSchema,
  CountTokensResponseSchema,
  ErrorReason,
  FinishReason,
  PartSchema,
  Role,
  StreamSpeechResponseSchema,
} from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { CallHandle, CallStart, Gateway, OpenCall, SpeechSink, StreamSink } from "../../pipeline/ports.ts";

/** What happened to one authenticated call. */
export type CallLog = {
  readonly start: CallStart;
  outcome: "open" | "ok" | "failed" | "cancelled" | "rejected";
  failure?: CallFailure;
  resumed: number;
  pushed: number;
};

/**
 * The model names the behaviour: "echo" answers with the text of the last message, "fail:<REASON>" fails with it, "hang"
 * never answers, "late" fails shortly after the deadline, "flood" streams until it is told to stop, "break" streams one part and fails, "unencodable" answers what has no binary form, "bug" throws.
 */
export class FakeGateway implements Gateway {
  readonly calls: CallLog[] = [];
  /** Set: `open` takes this long, as with a token that must be verified. */
  openDelayMs: number | undefined;
  /** Calls of `open` so far. */
  opening = 0;
  readonly #changes = new EventEmitter();

  open(start: CallStart): OpenCall | Promise<OpenCall> {
    this.opening += 1;
    const authorization = start.header("authorization");
    const opened = () => {
      if (authorization !== "Bearer good") {
        throw new CallFailure(ErrorReason.CREDENTIALS_INVALID, "no or wrong key");
      }
      return this.#opened(start);
    };
    const { openDelayMs } = this;
    return openDelayMs === undefined
      ? opened()
      : new Promise<void>((resolve) => setTimeout(resolve, openDelayMs)).then(opened);
  }

  /** Resolves with the first call that stands so, when there is one. */
  ended(outcome: CallLog["outcome"]): Promise<CallLog> {
    return new Promise((resolve) => {
      const look = () => {
        const call = this.calls.find((candidate) => candidate.outcome === outcome);
        if (call !== undefined) {
          this.#changes.off("change", look);
          resolve(call);
        }
      };
      this.#changes.on("change", look);
      look();
    });
  }

  #opened(start: CallStart): OpenCall {
    const log: CallLog = { start, outcome: "open", resumed: 0, pushed: 0 };
    this.calls.push(log);
    this.#changes.emit("change");
    const end = (outcome: CallLog["outcome"]) => {
      if (log.outcome !== "open") {
        throw new Error(`the call had ended (${log.outcome}) and was ended again (${outcome})`);
      }
      log.outcome = outcome;
      this.#changes.emit("change");
    };
    const handle: CallHandle = {
      cancel: () => end("cancelled"),
      resume: () => {
        log.resumed += 1;
      },
    };
    return {
      responseId: "response-1",
      correlationId: start.header("x-request-id") ?? "made-up",
      tenant: "search",
      refusalUnread: () =>
        start.header("x-fake-limit") === "used-up"
          ? new CallFailure(ErrorReason.RATE_LIMITED, "the rate limit is reached")
          : undefined,
      complete: (request, sink) => {
        const failure = failureFor(request.model);
        if (failure !== undefined) {
          end("failed");
          sink.fail(failure);
        } else if (request.model === "late") {
          setTimeout(
            () => {
              end("failed");
              sink.fail(new CallFailure(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed"));
            },
            (start.timeoutMs ?? 0) + 20,
          );
        } else if (request.model !== "hang") {
          end("ok");
          sink.succeed(echo(request));
        }
        return handle;
      },
      streamComplete: (request, sink) => {
        const completion = request.start.case === "request" ? request.start.value : undefined;
        return completion === undefined ? handle : stream(completion, sink, handle, log, end);
      },
      countTokens: (request, sink) => {
        end("ok");
        sink.succeed(create(CountTokensResponseSchema, { inputTokens: request.request?.messages.length ?? 0 }));
        return handle;
      },
      operate: (_method, { model }, sink) => {
        end("failed");
        sink.fail(failureFor(model) ?? new CallFailure(ErrorReason.FEATURE_DISABLED, "the fake only chats"));
        return handle;
      },
      streamSpeech: ({ text, model }, sink) => {
        const failure = failureFor(model);
        end(failure === undefined ? "ok" : "failed");
        if (failure !== undefined) sink.fail(failure);
        else speak(text, sink);
        return handle;
      },
      reject: (failure) => {
        end("rejected");
        log.failure = failure;
        return Promise.resolve(failure);
      },
    };
  }
}

/** Each word as a piece of "audio". */
function speak(text: string, sink: SpeechSink): void {
  for (const [index, word] of text.split(" ").entries()) {
    const mediaType = index === 0 ? "text/plain" : "";
    sink.push(create(StreamSpeechResponseSchema, { data: Buffer.from(word), mediaType }));
    sink.flush();
  }
  sink.push(create(StreamSpeechResponseSchema, { info: { responseId: "response-1" } }));
  sink.flush();
  sink.succeed();
}

function failureFor(model: string): CallFailure | undefined {
  if (model === "bug") {
    throw new Error("a bug that quotes sk-secret");
  }
  if (!model.startsWith("fail:")) {
    return undefined;
  }
  const name = model.slice("fail:".length);
  const reason = Object.entries(ErrorReason).find(([key]) => key === name)?.[1] ?? ErrorReason.INTERNAL;
  return new CallFailure(reason, `failed: 100 % – ${name}`, {
    metadata: { providerMessage: "überlastet" },
    retryAfterMs: name === "PROVIDER_OVERLOADED" ? 1500 : undefined,
  });
}

function echo(request: CompleteRequest, withParts = true): CompleteResponse {
  const last = request.messages.at(-1)?.parts ?? [];
  const response = create(CompleteResponseSchema, {
    responseId: "response-1",
    model: request.model,
    message: { role: Role.ASSISTANT, parts: withParts ? last : [] },
    finishReason: FinishReason.STOP,
  });
  if (request.model === "unencodable") {
    const get = () => {
      throw new Error("a field that no encoder can read");
    };
    Object.defineProperty(response, "model", { get });
  }
  return response;
}

function stream(
  request: CompleteRequest,
  sink: StreamSink,
  handle: CallHandle,
  log: CallLog,
  end: (outcome: CallLog["outcome"]) => void,
): CallHandle {
  const failure = failureFor(request.model);
  if (failure !== undefined) {
    end("failed");
    sink.fail(failure);
    return handle;
  }
  const push = (event: Parameters<StreamSink["push"]>[1]) => {
    log.pushed += 1;
    sink.push(log.pushed, event);
  };
  push({ kind: "started", responseId: "response-1", createdAtMs: 1_700_000_000_000, model: request.model });
  push({ kind: "part-start", index: 0, part: create(PartSchema, { content: { case: "text", value: {} } }) });
  if (request.model === "flood") {
    const flood = () => {
      if (log.outcome !== "open") {
        return;
      }
      do {
        push({ kind: "text-delta", index: 0, text: "x".repeat(1000) });
      } while (sink.flush());
    };
    flood();
    const resume = () => {
      handle.resume();
      flood();
    };
    return { cancel: () => handle.cancel(), resume };
  }
  const text = request.messages.at(-1)?.parts[0]?.content;
  for (const word of text?.case === "text" ? (text.value.text.match(/\S+\s*/g) ?? []) : []) {
    push({ kind: "text-delta", index: 0, text: word });
  }
  sink.flush();
  if (request.model === "hang") {
    return handle;
  }
  if (request.model === "break") {
    end("failed");
    sink.fail(new CallFailure(ErrorReason.STREAM_INTERRUPTED, "the provider broke off", { retryAfterMs: 0 }));
    return handle;
  }
  push({ kind: "part-end", index: 0 });
  push({ kind: "completed", response: echo(request, false) });
  sink.flush();
  if (request.model === "unencodable") {
    return handle;
  }
  end("ok");
  sink.succeed();
  return handle;
}
