import { describe, expect, it } from "vitest";
import { ReasoningEffort } from "../contract.ts";
import { classify } from "./classify.ts";
import { requestOf } from "./routing-fixture.ts";

describe("classify", () => {
  it.each([
    ["What is the capital of France?", 20, "simple"],
    ["Translate to German: good morning", 20, "simple"],
    ["Summarise this paragraph in one sentence.", 400, "simple"],
    ["Is this review positive or negative? Great phone.", 30, "simple"],
    ["Prove step by step that the algorithm terminates, and derive its complexity.", 3_000, "hard"],
    ["Design the architecture and compare the trade-offs:\n1. storage\n2. queue\n3. cache", 200, "hard"],
    ["Debug this and explain why it fails, then refactor:\n```ts\nlet a = 1;\n```", 1_600, "hard"],
    ["Analyse these contracts.", 30_000, "hard"],
  ])("takes %j with %i tokens for %s", (text, inputTokens, complexity) => {
    expect(classify(requestOf("chat", text), inputTokens).complexity).toBe(complexity);
  });

  it("takes a request that asks for reasoning over a schema for hard", () => {
    const request = requestOf("chat", "Fill in the form.", {
      reasoning: { effort: ReasoningEffort.HIGH },
      responseFormat: { format: { case: "jsonSchema", value: { schemaJson: "{}" } } },
    });
    expect(classify(request, 100).complexity).toBe("hard");
  });

  it.each([
    ["Summarize the meeting notes", "summary"],
    ["Please translate this", "translation"],
    ["Write a Python function", "code"],
    ["Extract the names", "extraction"],
    ["Hello there", "chat"],
  ])("sees the task of %j: %s", (text, task) => {
    expect(classify(requestOf("chat", text), 10).task).toBe(task);
  });

  it.each([
    ["Good morning", "latin"],
    ["今日はとても良い天気です", "ja"],
    ["今天天气很好", "zh"],
    ["안녕하세요", "ko"],
    ["Доброе утро", "ru"],
    ["صباح الخير", "ar"],
    ["बहुत अच्छा", "hi"],
    ["בוקר טוב", "he"],
    ["Καλημέρα", "el"],
    ["สวัสดี", "th"],
    ["12345 !!", ""],
  ])("tells the language of %j by its script: %s", (text, language) => {
    expect(classify(requestOf("chat", text), 10).language).toBe(language);
  });

  it("judges the same request the same way, however long", () => {
    const request = requestOf("chat", "prove ".repeat(100_000));
    expect(classify(request, 100)).toEqual(classify(request, 100));
  });
});
