// The seam that every simulated API implements: one folder and one line in `registry.ts`. It reads requests into a
// `Question` and writes a `Script` in its own format; when, whether and how much of it is sent is the server's matter.
import type { JsonRecord } from "../wire/json.ts";
import type { Question } from "./question.ts";
import type { Script } from "./script.ts";

export interface SimulatedWire {
  /** Also the path prefix under which the API can be asked for by name, e.g. "openai" for "/openai/v1/…". */
  readonly name: string;
  /** What the request is, by method and path (without prefix and query); `undefined`: not of this API. */
  route(method: string, path: string): Route | undefined;
  /** Throws `WireProblem` when the API would refuse the request as malformed. */
  read(body: JsonRecord, route: Route): Asked;
  /** Answer to a count; throws `WireProblem` likewise. */
  count(body: JsonRecord, route: Route): string;
  /** Body of an error answer and its own headers, `retry-after` among them where the API has it. */
  fault(fault: WireFault): FaultAnswer;
  /** Checks the proof of identity, where the API has one that can be checked; `undefined`: it is in order. */
  verify?(request: SignedRequest): WireFault | undefined;
  listModels(models: readonly string[]): string;
}

export type Route = {
  readonly kind: "chat" | "count" | "models";
  /** Where the path and not the body says it. */
  readonly model?: string | undefined;
  readonly stream?: boolean | undefined;
  /** Under "chat": another operation of the API, which is answered in the same way. */
  readonly operation?: string | undefined;
  /** The body is a form and no JSON. */
  readonly isForm?: boolean | undefined;
};

/** One request, understood; the functions write its answer as this request wants it. */
export type Asked = {
  readonly question: Question;
  readonly stream: boolean;
  readonly contentType: { readonly unary: string; readonly stream: string };
  toUnary(script: Script): string;
  toFrames(script: Script): readonly Frame[];
  /** An error in the middle of a stream. */
  toErrorFrame(): Frame;
};

export type Frame = {
  readonly bytes: string | Uint8Array;
  /** Whether it carries a piece of the answer: these are paced and counted. */
  readonly piece: boolean;
};

export type WireFault = {
  readonly status: number;
  readonly message: string;
  readonly retryAfterSeconds?: number | undefined;
};

export type FaultAnswer = { readonly headers: Readonly<Record<string, string>>; readonly body: string };

export type SignedRequest = {
  readonly method: string;
  /** Path and query as they came, with the prefix of the API: clients sign the address that they call. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
};

/** The header that most APIs use for the wait. */
export function retryAfterHeader({ retryAfterSeconds }: WireFault): Readonly<Record<string, string>> {
  return retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
}

/** The request is not what the API takes. */
export class WireProblem extends Error {
  override readonly name = "WireProblem";
}
