import { countInput, type Question } from "../question.ts";
import type { Script } from "../script.ts";
import { type Asked, type Frame, WireProblem } from "../wire.ts";

/** A question without a conversation: the model, what it gets, and its count. */
export function plainQuestion(model: string | undefined, texts: readonly string[], media = 0): Question {
  if (model === undefined || model === "") throw new WireProblem("model is required");
  return {
    model,
    lastText: texts.at(-1) ?? "",
    inputTokens: countInput(texts, media),
    bringsToolResults: false,
    tools: [],
    toolChoice: { kind: "none" },
    parallelTools: false,
    reasoning: false,
    maxTokens: undefined,
    stop: [],
  };
}

/** An operation that answers with one JSON object. */
export function jsonAsked(question: Question, toAnswer: (script: Script) => object): Asked {
  return {
    question,
    stream: false,
    contentType: { unary: "application/json", stream: "application/json" },
    toUnary: (script) => JSON.stringify(toAnswer(script)),
    toFrames: () => [],
    toErrorFrame: () => ({ bytes: "", piece: false }),
  };
}

/** An operation that answers with bytes as they come. */
export function bytesAsked(
  question: Question,
  contentType: string,
  toFrames: (script: Script) => readonly Frame[],
): Asked {
  return {
    question,
    stream: true,
    contentType: { unary: contentType, stream: contentType },
    toUnary: () => "",
    toFrames,
    toErrorFrame: () => ({ bytes: "", piece: false }),
  };
}
