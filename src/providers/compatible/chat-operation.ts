import type { ChatOperation } from "../provider.ts";
import type { AnswerRules } from "./answer-rules.ts";
import { createReader } from "./reader.ts";
import { type RequestRules, toHttpRequest } from "./request.ts";
import { toCompletion } from "./response.ts";

/** Chat completions, for any provider that speaks them. */
export function createChatOperation(requestRules: RequestRules, answerRules: AnswerRules): ChatOperation {
  return {
    framing: "sse",
    toHttpRequest: (request, mode, context) => toHttpRequest(request, mode, context, requestRules),
    fromHttpResponse: (response, context) => toCompletion(response, answerRules, context),
    createReader: (context) => createReader(answerRules, context),
  };
}
