import { create } from "@bufbuild/protobuf";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { describe, expect, it } from "vitest";
import { CompleteRequestSchema, Role } from "../contract.ts";
import { countInputTokens } from "./count-tokens.ts";
import { estimateInputTokens, estimateTextTokens } from "./estimate-tokens.ts";

const samples = {
  English:
    "The gateway authenticates the caller, applies the policy of its project, chooses a target and calls the provider. " +
    "What the call has consumed is written down before the answer ends, so that no token goes unbilled.",
  German:
    "Die Zwischenschicht prüft, wer anruft, wendet die Regeln des Projekts an, wählt ein Ziel und ruft den Anbieter auf. " +
    "Was verbraucht wurde, wird aufgeschrieben, bevor die Antwort endet.",
  Russian:
    "Шлюз проверяет вызывающую сторону, применяет правила проекта, выбирает цель и обращается к поставщику. " +
    "Израсходованное записывается до того, как ответ закончится.",
  Chinese: "网关验证调用方的身份,应用其项目的策略,选择目标并调用提供商。调用所消耗的内容会在回答结束之前写入日志。",
  Japanese:
    "ゲートウェイは呼び出し元を認証し、プロジェクトのポリシーを適用し、ターゲットを選んでプロバイダーを呼び出します。",
  TypeScript:
    "export function toUsage(raw: OpenAiUsage | undefined): Usage {\n  return {\n    inputTokens: raw?.prompt_tokens,\n" +
    "    outputTokens: raw?.completion_tokens,\n  };\n}\n",
};

describe("the estimate", () => {
  it.each(Object.keys(samples))("is within 35 percent of the tokenizer for %s", (name) => {
    const text = Object.entries(samples).find(([key]) => key === name)?.[1] ?? "";
    const ratio = estimateTextTokens(text) / countTokens(text);
    expect(ratio).toBeGreaterThan(0.65);
    expect(ratio).toBeLessThan(1.35);
  });

  it("is nothing for nothing", () => {
    expect(estimateTextTokens("")).toBe(0);
  });
});

const request = create(CompleteRequestSchema, {
  model: "m",
  messages: [
    { role: Role.SYSTEM, parts: [{ content: { case: "text", value: { text: samples.English } } }] },
    {
      role: Role.USER,
      parts: [
        { content: { case: "text", value: { text: samples.German } } },
        {
          content: {
            case: "document",
            value: { source: { case: "data", value: new Uint8Array(6_000) }, mediaType: "application/pdf" },
          },
        },
      ],
    },
    {
      role: Role.TOOL,
      parts: [
        {
          content: {
            case: "toolResult",
            value: { callId: "1", content: [{ content: { case: "text", value: { text: samples.Chinese } } }] },
          },
        },
      ],
    },
  ],
  tools: [
    { kind: { case: "function", value: { name: "find", description: samples.English, parametersJsonSchema: "{}" } } },
  ],
});

describe("a request", () => {
  it("counts messages, tool results, tools and media", async () => {
    const texts = [samples.English, samples.German, samples.Chinese, "find", samples.English, "{}"];
    const ofTexts = texts.reduce((sum, text) => sum + countTokens(text), 0);
    const ofFrames = 3 + 3 * 4 + 8 + 8;
    const ofDocument = 1_000;
    expect(await countInputTokens(request)).toBe(ofTexts + ofFrames + ofDocument);
  });

  it("is estimated near its count", async () => {
    const counted = await countInputTokens(request);
    expect(Math.abs(estimateInputTokens(request) - counted) / counted).toBeLessThan(0.35);
  });

  it("counts what looks like a control token as text, without failing", async () => {
    const text = "<|endoftext|>";
    const odd = create(CompleteRequestSchema, {
      messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text } } }] }],
    });
    expect(await countInputTokens(odd)).toBeGreaterThan(3 + 4 + 2);
  });

  it("extrapolates a text that is too long to count", async () => {
    const text = "all work and no play ".repeat(40_000);
    const long = create(CompleteRequestSchema, {
      messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text } } }] }],
    });
    expect((await countInputTokens(long)) / 200_000).toBeCloseTo(1, 1);
  });
});
