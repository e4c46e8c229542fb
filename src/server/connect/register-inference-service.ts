import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import {
  type CompleteResponse,
  type CountTokensResponse,
  ExplainRequestSchema,
  InferenceService,
  type StreamCompleteResponse,
} from "../../contract.ts";
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
    const message = messageOf(spec.schema, prepared, request);
    try {
      return [opened, assertValid(spec, message)];
    } catch (error) {
      if (error instanceof CallFailure) {
        nameAnswer(opened, context);
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
        return await named(
          opened,
          context,
          runUnary<OperationMethods[Method]["response"]>(
            (sink) => opened.operate(method, message, sink),
            context.signal,
          ),
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
        const answer = runUnary<CompleteResponse>((sink) => opened.complete(message, sink), context.signal);
        return await named(opened, context, answer);
      } catch (error) {
        throw calls.toError(error);
      }
    },
    async *streamComplete(request, context) {
      try {
        const [opened, message] = await begin("StreamComplete", inferenceMethods.StreamComplete, request, context);
        const events = runStream((sink) => opened.streamComplete(message, sink), context.signal);
        yield* namedStream(opened, context, events);
      } catch (error) {
        throw calls.toError(error);
      }
    },
    async countTokens(request, context) {
      try {
        const [opened, message] = await begin("CountTokens", inferenceMethods.CountTokens, request, context);
        const answer = runUnary<CountTokensResponse>((sink) => opened.countTokens(message, sink), context.signal);
        return await named(opened, context, answer);
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
        nameAnswer(opened, context);
        yield* runSpeech((sink) => opened.streamSpeech(message, sink), context.signal);
      } catch (error) {
        throw calls.toError(error);
      }
    },
  });
}

/** A call that replays another one takes its name when that is known: before the headers leave. */
function nameAnswer(opened: OpenCall, context: HandlerContext): void {
  context.responseHeader.set("llmgateway-response-id", opened.responseId);
}

async function named<Response>(opened: OpenCall, context: HandlerContext, answer: Promise<Response>) {
  try {
    return await answer;
  } finally {
    nameAnswer(opened, context);
  }
}

/** The headers leave with the first event. */
async function* namedStream(
  opened: OpenCall,
  context: HandlerContext,
  events: AsyncIterable<StreamCompleteResponse>,
): AsyncIterable<StreamCompleteResponse> {
  let isNamed = false;
  try {
    for await (const event of events) {
      if (!isNamed) nameAnswer(opened, context);
      isNamed = true;
      yield event;
    }
  } finally {
    if (!isNamed) nameAnswer(opened, context);
  }
}
