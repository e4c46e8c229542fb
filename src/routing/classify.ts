// A cheap, deterministic judgement of a request: simple or hard, what kind of task, which language. No model, no network:
// it counts features that anyone can look up below, in at most `charactersMax` characters of the newest user turn.
//
// Hard is a score of 3 or more:
//   +1  over 1,500 input tokens; +2 over 6,000
//   +1  more than 6 messages
//   +1  tools; +1 more for over 8 of them
//   +1  a JSON schema
//   +2  reasoning effort medium or above, or a reasoning budget over 2,000 tokens
//   +1  over 2,000 output tokens wanted
//   +1  code in the newest turn (a fence, or several lines that end like code)
//   +1  a word that asks for thought ("prove", "analyse", "step by step", …); +1 more for three or more of them
//   +1  three or more questions or numbered demands in the newest turn
import { type CompleteRequest, ReasoningEffort, Role } from "../contract.ts";

export type Classification = {
  readonly complexity: "simple" | "hard";
  readonly task: "chat" | "code" | "extraction" | "summary" | "tool_use" | "translation";
  /** ISO 639-1 where the script tells ("ja", "ko", "ru", "el", "he", "th", …), "zh", "ar", "hi", or "latin"; "": no letters. */
  readonly language: string;
};

export function classify(request: CompleteRequest, inputTokens: number): Classification {
  const text = newestUserText(request);
  return {
    complexity: hardness(request, text, inputTokens) >= hardFrom ? "hard" : "simple",
    task: taskOf(request, text),
    language: languageOf(text.slice(0, languageCharactersMax)),
  };
}

const hardFrom = 3;
/** Reading more would cost time and tell nothing new. */
const charactersMax = 2_000;
/** A language shows sooner than a task does. */
const languageCharactersMax = 400;

function newestUserText({ messages }: CompleteRequest): string {
  const newest = messages.findLast((message) => message.role === Role.USER);
  let text = "";
  for (const { content } of newest?.parts ?? []) {
    if (content.case === "text") text += `${content.value.text.slice(0, charactersMax)}\n`;
    if (text.length >= charactersMax) break;
  }
  return text.slice(0, charactersMax);
}

function hardness(request: CompleteRequest, text: string, inputTokens: number): number {
  const { tools, reasoning, sampling, messages, responseFormat } = request;
  const thoughts = countMatches(text, thoughtWords);
  const demands = countMatches(text, /\?|^\s*(?:\d{1,2}[.)]|[-*])\s/gmu);
  const points: readonly number[] = [
    inputTokens > 6_000 ? 2 : Number(inputTokens > 1_500),
    Number(messages.length > 6),
    tools.length > 8 ? 2 : Number(tools.length > 0),
    Number(responseFormat?.format.case === "jsonSchema"),
    reasoning !== undefined && (reasoning.effort >= ReasoningEffort.MEDIUM || (reasoning.budgetTokens ?? 0) > 2_000)
      ? 2
      : 0,
    Number((sampling?.maxOutputTokens ?? 0) > 2_000),
    Number(looksLikeCode(text)),
    thoughts >= 3 ? 2 : Number(thoughts > 0),
    Number(demands >= 3),
  ];
  return points.reduce((sum, point) => sum + point, 0);
}

const thoughtWords =
  /\b(?:prove|derive|analy[sz]e|compare|evaluate|design|architect|optimi[sz]e|refactor|debug|diagnose|plan|strategy|trade-?offs?|step by step|explain why|root cause|theorem|algorithm|complexity)\b/giu;

function taskOf({ tools, responseFormat }: CompleteRequest, text: string): Classification["task"] {
  if (
    looksLikeCode(text) ||
    /\b(?:refactor|unit tests?|stack trace|compile|regex|sql query|typescript|python)\b/iu.test(text)
  ) {
    return "code";
  }
  if (/\b(?:summari[sz]e|summary|tl;?dr|key points|abstract of)\b/iu.test(text)) return "summary";
  if (/\btranslat(?:e|ion)\b/iu.test(text)) return "translation";
  if (responseFormat?.format.case === "jsonSchema" || /\b(?:extract|classify|label|categori[sz]e)\b/iu.test(text)) {
    return "extraction";
  }
  return tools.length > 0 ? "tool_use" : "chat";
}

function looksLikeCode(text: string): boolean {
  return text.includes("```") || countMatches(text, /[;{}]\s*$/gmu) >= 3;
}

/** The script with the most letters; Japanese is told from Chinese by its kana. */
function languageOf(text: string): string {
  let best = "";
  let bestCount = 0;
  for (const [language, letters] of scripts) {
    const count = countMatches(text, letters);
    // Kana are weighed up, since a Japanese text is mostly Han letters.
    const weighed = language === "ja" ? count * 4 : count;
    if (weighed > bestCount) [best, bestCount] = [language, weighed];
  }
  return best;
}

const scripts: readonly (readonly [language: string, letters: RegExp])[] = [
  ["latin", /\p{Script=Latin}/gu],
  ["ja", /[\p{Script=Hiragana}\p{Script=Katakana}]/gu],
  ["zh", /\p{Script=Han}/gu],
  ["ko", /\p{Script=Hangul}/gu],
  ["ru", /\p{Script=Cyrillic}/gu],
  ["ar", /\p{Script=Arabic}/gu],
  ["hi", /\p{Script=Devanagari}/gu],
  ["he", /\p{Script=Hebrew}/gu],
  ["el", /\p{Script=Greek}/gu],
  ["th", /\p{Script=Thai}/gu],
];

function countMatches(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
