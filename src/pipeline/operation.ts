// What makes one operation differ from the next, as data for `operate.ts`.
import { create } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  type Part,
  type RequestContext,
  type ResponseInfo,
  Role,
  type Usage,
} from "../contract.ts";
import type { OperationFacts } from "../domain/operation-results.ts";
import type { Provider, UnaryOperation } from "../providers/provider.ts";

/** The part of a request that every operation has. */
export type OperationRequest = { readonly model: string; readonly context?: RequestContext | undefined };

export type Operation<Request extends OperationRequest, Result extends OperationFacts, Response> = {
  /** `undefined`: this provider does not do that. */
  readonly of: (provider: Provider) => UnaryOperation<Request, Result> | undefined;
  /** Field of the request that holds what it puts in, e.g. "inputs". */
  readonly inputField: string;
  /** What the request puts in, for estimates and for what a model must be able to take. */
  readonly inputs: (request: Request) => readonly Part[];
  /**
   * What the request consumes at most, by the estimate of its input tokens: usages that mean the same in the different
   * units by which models are billed, the likeliest first.
   */
  readonly unitsMost: (request: Request, inputTokens: number) => readonly Usage[];
  /** Puts the results of several requests together; throws `ProviderFailure` when they are not what was asked. */
  readonly join: (results: readonly Result[], request: Request) => Omit<Result, keyof OperationFacts>;
  readonly toResponse: (result: Omit<Result, keyof OperationFacts>, info: ResponseInfo) => Response;
};

/**
 * The request as policy, routing and the usage event see it: the model, its inputs as one message, the labels. Such a call
 * generates no tokens that would have to be reserved beside `unitsMost`.
 */
export function toCompleteRequest({ model, context }: OperationRequest, inputs: readonly Part[]): CompleteRequest {
  return create(CompleteRequestSchema, {
    model,
    messages: [{ role: Role.USER, parts: [...inputs] }],
    sampling: { maxOutputTokens: 0 },
    labels: { ...context?.labels },
    endUserId: context?.endUserId ?? "",
    requestId: context?.requestId ?? "",
    providerOptions: { ...context?.providerOptions },
    ...(context?.routing === undefined ? {} : { routing: context.routing }),
    ...(context?.responseCache === undefined ? {} : { responseCache: context.responseCache }),
  });
}
