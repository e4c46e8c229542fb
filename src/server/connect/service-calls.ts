import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Caller, CallerRole } from "../../domain/principal.ts";
import { compileRules } from "../../validation/compile-rules.ts";
import type { ServerLogger } from "../server-logger.ts";
import type { Services } from "../services.ts";
import { shuttingDown } from "../shutting-down.ts";
import { toCallFailure } from "../to-call-failure.ts";
import { messageOf, peerKey, preparedCallKey } from "./prepared-call.ts";
import { toConnectError } from "./to-connect-error.ts";

/** What every method that is not inference does first: who calls, may they, is the request well-formed. */
export class ServiceCalls {
  readonly #services: Services;
  readonly #logger: ServerLogger;
  readonly #drainSignal: AbortSignal;

  /** `drainSignal` ends server streams, which would else outlive any drain time. */
  constructor(services: Services, logger: ServerLogger, drainSignal: AbortSignal) {
    this.#services = services;
    this.#logger = logger;
    this.#drainSignal = drainSignal;
  }

  /** A handler for connect-node. `signal` aborts when the caller has gone or its deadline has passed, and after the answer. */
  unary<Input extends DescMessage, Response>(
    input: Input,
    role: CallerRole,
    answer: (caller: Caller, request: MessageShape<Input>, signal: AbortSignal) => Response | Promise<Response>,
  ): (request: MessageShape<Input>, context: HandlerContext) => Promise<Response> {
    const rules = compileRules(input);
    return async (request, context) => {
      try {
        const caller = await this.#authenticate(context, role);
        const message = messageOf(input, context.values.get(preparedCallKey), request);
        assertKept(rules(message));
        return await answer(caller, message, context.signal);
      } catch (error) {
        throw this.toError(error);
      }
    };
  }

  serverStream<Input extends DescMessage, Response>(
    input: Input,
    role: CallerRole,
    answer: (caller: Caller, request: MessageShape<Input>, signal: AbortSignal) => AsyncIterable<Response>,
  ): (request: MessageShape<Input>, context: HandlerContext) => AsyncIterable<Response> {
    const rules = compileRules(input);
    return (request, context) =>
      this.#stream(context, role, (caller, signal) => {
        const message = messageOf(input, context.values.get(preparedCallKey), request);
        assertKept(rules(message));
        return answer(caller, message, signal);
      });
  }

  async *#stream<Response>(
    context: HandlerContext,
    role: CallerRole,
    start: (caller: Caller, signal: AbortSignal) => AsyncIterable<Response>,
  ): AsyncIterable<Response> {
    try {
      const caller = await this.#authenticate(context, role);
      yield* start(caller, AbortSignal.any([context.signal, this.#drainSignal]));
      if (this.#drainSignal.aborted) {
        throw shuttingDown();
      }
    } catch (error) {
      throw this.toError(error);
    }
  }

  toError(error: unknown) {
    return toConnectError(toCallFailure(error, this.#logger));
  }

  #authenticate(context: HandlerContext, role: CallerRole): Caller | Promise<Caller> {
    const header = (name: string) => context.requestHeader.get(name) ?? undefined;
    const method = `${context.service.typeName}/${context.method.name}`;
    return this.#services.authenticate({ header, peer: context.values.get(peerKey) }, role, method);
  }
}

function assertKept(violations: ReturnType<ReturnType<typeof compileRules>>): void {
  if (violations.length > 0) {
    throw new CallFailure(ErrorReason.INVALID_REQUEST, "the request breaks a rule of the contract", { violations });
  }
}
