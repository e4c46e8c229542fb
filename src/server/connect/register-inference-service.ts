import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { ExplainRequestSchema, InferenceService } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { InferenceMethod, OpenCall, OperationMethod, OperationMethods } from "../../pipeline/ports.ts";
import { readCallTimeoutMs } from "../call-timeout.ts";
import { assertValid, type InferenceMethodSpec, inferenceMethods } from "../inference-methods.ts";
import type { Services } from "../services.ts";
import { messageOf, peerKey, preparedCallKey } from "./prepared-call.ts";
import { runSpeech, runStream, runUnary } from "./run-call.ts";
import type { ServiceCalls } from "./service-calls.ts";

/** Complete and StreamComplete for what does not come as plain gRPC, and the other methods for all. */
export function registerInferenceService(
  router: ConnectRouter,
  { gateway, explain }: Services,
  calls: ServiceCalls,
): void {
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
        throw await opened.reject(error);
      }
      throw error;
    }
  };

  const operation =
    <Method extends OperationMethod>(
      method: Method,
      spec: InferenceMethodSpec<GenMessage<OperationMethods[Method]["request"]>>,
    ) =>
    async (
      request: OperationMethods[Method]["request"],
      context: HandlerContext,
    ): Promise<OperationMethods[Method]["response"]> => {
      try {
        const [opened, message] = await begin(method, spec, request, context);
        return await runUnary<OperationMethods[Method]["response"]>(
          (sink) => opened.operate(method, message, sink),
          context.signal,
        );
      } catch (error) {
        throw calls.toError(error);
      }
    };

  router.service(InferenceService, {
    explain: calls.unary(ExplainRequestSchema, "inference", explain),
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
    embed: operation("Embed", inferenceMethods.Embed),
    rerank: operation("Rerank", inferenceMethods.Rerank),
    moderate: operation("Moderate", inferenceMethods.Moderate),
    generateImages: operation("GenerateImages", inferenceMethods.GenerateImages),
    transcribe: operation("Transcribe", inferenceMethods.Transcribe),
    async *streamSpeech(request, context) {
      try {
        const [opened, message] = await begin("StreamSpeech", inferenceMethods.StreamSpeech, request, context);
        yield* runSpeech((sink) => opened.streamSpeech(message, sink), context.signal);
      } catch (error) {
        throw calls.toError(error);
      }
    },
  });
}
