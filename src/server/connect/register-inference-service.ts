import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { InferenceService } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { InferenceMethod, OpenCall } from "../../pipeline/ports.ts";
import { readCallTimeoutMs } from "../call-timeout.ts";
import { assertValid, type InferenceMethodSpec, inferenceMethods } from "../inference-methods.ts";
import type { Services } from "../services.ts";
import { messageOf, peerKey, preparedCallKey } from "./prepared-call.ts";
import { runStream, runUnary } from "./run-call.ts";
import type { ServiceCalls } from "./service-calls.ts";

/** Complete and StreamComplete for what does not come as plain gRPC, CountTokens for all, and the rest as not served. */
export function registerInferenceService(router: ConnectRouter, { gateway }: Services, calls: ServiceCalls): void {
  const open = (method: InferenceMethod, context: HandlerContext) => {
    const header = (name: string) => context.requestHeader.get(name) ?? undefined;
    return gateway.open({
      method,
      header,
      timeoutMs: readCallTimeoutMs(header),
      peer: context.values.get(peerKey),
    });
  };

  /** The call and its valid request, or throws after the call was told. */
  const begin = async <Desc extends DescMessage>(
    method: InferenceMethod,
    spec: InferenceMethodSpec<Desc>,
    request: MessageShape<Desc>,
    context: HandlerContext,
  ): Promise<readonly [OpenCall, MessageShape<Desc>]> => {
    const prepared = context.values.get(preparedCallKey);
    if (prepared?.kind === "refused") {
      throw prepared.failure;
    }
    const isOpened = prepared?.kind === "ready" || prepared?.kind === "unreadable";
    const opened = isOpened ? prepared.opened : await open(method, context);
    context.responseHeader.set("x-request-id", opened.correlationId.replace(/[^ -~]/g, ""));
    context.responseHeader.set("llmgateway-response-id", opened.responseId);
    const message = messageOf(spec.schema, prepared, request);
    try {
      return [opened, assertValid(spec, message)];
    } catch (error) {
      if (error instanceof CallFailure) {
        opened.reject(error);
      }
      throw error;
    }
  };

  const notServed = (name: string) => () => Promise.reject(calls.toError(calls.disabled(name)));

  router.service(InferenceService, {
    async complete(request, context) {
      try {
        const [opened, message] = await begin("Complete", inferenceMethods.Complete, request, context);
        return await runUnary((sink) => opened.complete(message, sink), context.signal);
      } catch (error) {
        throw calls.toError(error);
      }
    },
    async *streamComplete(request, context) {
      try {
        const [opened, message] = await begin("StreamComplete", inferenceMethods.StreamComplete, request, context);
        yield* runStream((sink) => opened.streamComplete(message, sink), context.signal);
      } catch (error) {
        throw calls.toError(error);
      }
    },
    async countTokens(request, context) {
      try {
        const [opened, message] = await begin("CountTokens", inferenceMethods.CountTokens, request, context);
        return await runUnary((sink) => opened.countTokens(message, sink), context.signal);
      } catch (error) {
        throw calls.toError(error);
      }
    },
    embed: notServed("Embed"),
    rerank: notServed("Rerank"),
    moderate: notServed("Moderate"),
    generateImages: notServed("GenerateImages"),
    // biome-ignore lint/correctness/useYield: a server stream that fails before its first message.
    async *streamSpeech() {
      throw calls.toError(calls.disabled("StreamSpeech"));
    },
    transcribe: notServed("Transcribe"),
  });
}
