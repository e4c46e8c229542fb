// OpenAI API reference, "Create moderation". A category is flagged when its own word stands in the text.
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { type Asked, WireProblem } from "../wire.ts";

const categoryNames = ["harassment", "hate", "illicit", "self-harm", "sexual", "violence"] as const;

/** `withFlag`: OpenAI says `flagged`, Mistral leaves it to the categories. */
export function readModerations(body: JsonRecord, withFlag = true): Asked {
  const texts = readTexts(body["input"]);
  if (texts.length === 0) throw new WireProblem("input is required");
  const question = plainQuestion(asString(body["model"]), texts);
  return jsonAsked(question, ({ model, id }) => ({
    id: `modr-${id}`,
    model,
    results: texts.map((text) => toResult(text, withFlag)),
  }));
}

function toResult(text: string, withFlag: boolean): object {
  const scores = Object.fromEntries(
    categoryNames.map((name) => [name, text.toLowerCase().includes(name) ? 0.93 : 0.001]),
  );
  const categories = Object.fromEntries(categoryNames.map((name) => [name, (scores[name] ?? 0) > 0.5]));
  const flag = withFlag ? { flagged: Object.values(categories).includes(true) } : {};
  return { ...flag, categories, category_scores: scores };
}

/** A list of typed parts is one thing to look at; a list of texts is as many. */
function readTexts(input: unknown): readonly string[] {
  if (typeof input === "string") return [input];
  const items = asArray(input) ?? [];
  const texts = items.map((item) => asString(item)).filter((text) => text !== undefined);
  if (texts.length === items.length) return texts;
  return [items.map((item) => asString(asObject(item)?.["text"]) ?? "").join("\n")];
}
