import type { Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import {
  type CompleteRequest,
  EmbedRequestSchema,
  EmbedResponseSchema,
  GenerateImagesRequestSchema,
  GenerateImagesResponseSchema,
  ModerateRequestSchema,
  ModerateResponseSchema,
  RerankRequestSchema,
  RerankResponseSchema,
  TranscribeRequestSchema,
  TranscribeResponseSchema,
} from "../../contract.ts";
import type { OperationFacts } from "../../domain/operation-results.ts";
import type { LiveCall } from "../live-call.ts";
import { operate } from "../operate.ts";
import { type Operation, type OperationRequest, toCompleteRequest } from "../operation.ts";
import type { OperationMethod, OperationMethods, UnarySink } from "../ports.ts";
import { embed } from "./embed.ts";
import { generateImages } from "./generate-images.ts";
import { moderate } from "./moderate.ts";
import { rerank } from "./rerank.ts";
import { transcribe } from "./transcribe.ts";

/** An operation with what it produces in between hidden: ready to be run. */
export type ServedOperation<Request extends Message, Response extends Message> = {
  readonly requestSchema: GenMessage<Request>;
  readonly responseSchema: GenMessage<Response>;
  /** See `toCompleteRequest`. */
  readonly toView: (request: Request) => CompleteRequest;
  readonly run: (
    call: LiveCall,
    request: Request,
    view: CompleteRequest,
    sink: UnarySink<Response>,
    onCancelled?: () => void,
  ) => Promise<void>;
};

/** One line a method. */
export const operations: {
  readonly [Method in OperationMethod]: ServedOperation<
    OperationMethods[Method]["request"],
    OperationMethods[Method]["response"]
  >;
} = {
  Embed: serve(EmbedRequestSchema, EmbedResponseSchema, embed),
  Rerank: serve(RerankRequestSchema, RerankResponseSchema, rerank),
  Moderate: serve(ModerateRequestSchema, ModerateResponseSchema, moderate),
  GenerateImages: serve(GenerateImagesRequestSchema, GenerateImagesResponseSchema, generateImages),
  Transcribe: serve(TranscribeRequestSchema, TranscribeResponseSchema, transcribe),
};

function serve<Request extends Message & OperationRequest, Result extends OperationFacts, Response extends Message>(
  requestSchema: GenMessage<Request>,
  responseSchema: GenMessage<Response>,
  operation: Operation<Request, Result, Response>,
): ServedOperation<Request, Response> {
  return {
    requestSchema,
    responseSchema,
    toView: (request) => toCompleteRequest(request, operation.inputs(request)),
    run: (call, request, view, sink, onCancelled) => operate(call, operation, request, view, sink, onCancelled),
  };
}
