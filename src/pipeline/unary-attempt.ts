// One unary attempt: sends, collects, reads. Fails with `ProviderFailure` or `Stopped`.
import type { Completion } from "../domain/completion.ts";
import type { HttpHeaders, HttpResponse } from "../domain/http.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { ChatOperation, ReadContext } from "../providers/provider.ts";
import type { Exchange } from "../upstream/upstream.ts";
import { type AttemptLimits, AttemptTimer, type ExpiredLimit } from "./attempt-timer.ts";
import type { CallScope } from "./call-scope.ts";
import { Stopped } from "./call-scope.ts";
import type { PipelineParts } from "./pipeline-parts.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { withoutCredential } from "./without-credential.ts";

/** What was seen of an answer, whatever became of it. */
export type Seen = { status: number; headers: HttpHeaders };

/** Collects one answer. `seen` is filled as soon as the status line came, also when the attempt fails later. */
export function collectAnswer(
  parts: PipelineParts,
  scope: CallScope,
  ready: Pick<ReadyAttempt, "planned" | "request" | "configured">,
  limits: AttemptLimits,
  seen: Seen,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    scope.throwIfStopped();
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    let exchange: Exchange | undefined;
    const settle = (): void => {
      timer.stop();
      scope.whenStopped(undefined);
    };
    const abandon = (reason: Error): void => {
      settle();
      exchange?.abort();
      reject(reason);
    };
    const timer = new AttemptTimer(parts.clock, limits, (limit) => abandon(timeoutFailure(limit)));
    const isOk = (): boolean => seen.status >= 200 && seen.status < 300;
    scope.whenStopped((cause) => abandon(new Stopped(cause)));
    const finish = (): void => {
      settle();
      resolve({ status: seen.status, headers: seen.headers, body: joined(pieces, bytes) });
    };
    exchange = parts.upstream.dispatch(ready.planned.target.providerId, ready.request, {
      onStart(status, headers) {
        seen.status = status;
        seen.headers = headers;
      },
      onData(piece) {
        pieces.push(piece);
        bytes += piece.length;
        timer.active();
        if (isOk() && bytes > parts.limits.responseBytesMax) {
          abandon(new ProviderFailure("bad-response", "the provider's answer is larger than the gateway takes"));
        } else if (!isOk() && bytes > parts.limits.errorBytesMax) {
          exchange?.abort();
          finish();
        }
      },
      onEnd: finish,
      onFailure(failure) {
        settle();
        reject(failure);
      },
    });
  });
}

/** The completion in a collected answer. Throws `ProviderFailure` when there is none. */
export function readCompletion(
  ready: ReadyAttempt<ChatOperation>,
  response: HttpResponse,
  context: ReadContext,
): Completion {
  try {
    if (response.status < 200 || response.status >= 300) {
      throw ready.configured.provider.toFailure(response.status, response.headers, response.body);
    }
    return ready.operation.fromHttpResponse(response, context);
  } catch (error) {
    throw withoutCredential(error, ready.credential);
  }
}

const textByLimit = {
  "first-token": "the provider gave no content within the first-token time-out",
  idle: "the provider fell silent for longer than the idle time-out",
  rate: "the provider sent less than the least rate",
  total: "the provider did not finish within the attempt time-out",
} as const satisfies Record<ExpiredLimit, string>;

export function timeoutFailure(limit: ExpiredLimit): ProviderFailure {
  return new ProviderFailure("timeout", textByLimit[limit], { providerCode: limit });
}

/** Our patience ended, not the provider's, and not that of a connection which never came about. */
export function isOurTimeout({ kind, facts }: ProviderFailure): boolean {
  return kind === "timeout" && facts.providerCode !== undefined && facts.providerCode in textByLimit;
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const [first] = pieces;
  if (first === undefined) return new Uint8Array();
  return pieces.length === 1 ? first : Buffer.concat(pieces, bytes);
}
