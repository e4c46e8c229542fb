import { ProviderFailure } from "../../../domain/provider-failure.ts";
import { asObject } from "../../../wire/json.ts";
import type { ChatOperation, CountTokensOperation } from "../../provider.ts";
import { toTokenCount } from "../../token-count.ts";
import type { AnswerRules } from "../answer-rules.ts";
import { parseOrUndefined } from "../parse-or-undefined.ts";
import { createResponsesReader } from "./reader.ts";
import { type ResponsesRules, toInputTokensRequest, toResponsesRequest } from "./request.ts";
import { toResponsesCompletion } from "./response.ts";

/** Responses, for any provider that has them. */
export function createResponsesOperation(requestRules: ResponsesRules, answerRules: AnswerRules): ChatOperation {
  return {
    framing: "sse",
    toHttpRequest: (request, mode, context) => toResponsesRequest(request, mode, context, requestRules),
    fromHttpResponse: (response, context) => toResponsesCompletion(response, answerRules, context),
    createReader: (context) => createResponsesReader(answerRules, context),
  };
}

/** Counting by `/responses/input_tokens`, which is for either API. https://platform.openai.com/docs/guides/token-counting */
export function createInputTokensOperation(requestRules: ResponsesRules): CountTokensOperation {
  return {
    toHttpRequest: (request, context) => toInputTokensRequest(request, context, requestRules),
    fromHttpResponse({ body }) {
      const answer = asObject(parseOrUndefined(new TextDecoder().decode(body)));
      const count = toTokenCount(answer?.["input_tokens"]);
      if (count === undefined) throw new ProviderFailure("bad-response", "the provider's answer is no token count");
      return count;
    },
  };
}
