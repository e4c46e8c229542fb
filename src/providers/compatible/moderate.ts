// Moderation as OpenAI has it (API reference, "Create moderation"); Mistral's answer has no `flagged`.
import { create } from "@bufbuild/protobuf";
import {
  type Media,
  type ModerateRequest,
  type Part,
  type SafetyFinding,
  SafetyFindingSchema,
  SafetySubject,
} from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Moderation } from "../../domain/operation-results.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { toDataUrl } from "../data-url.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import type { JsonOut } from "../json-writer.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { toInputUsage } from "./embed.ts";
import { toFailureInside } from "./failure.ts";
import type { OperationRules } from "./operation-rules.ts";

export type ModerateRules = OperationRules & {
  /** How findings name the provider. */
  readonly source: string;
  /** Whether pictures are looked at. */
  readonly images: boolean;
};

export function createModerateOperation(rules: ModerateRules): UnaryOperation<ModerateRequest, Moderation> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const input = toModerationInput(request.parts, rules.images, log);
      if ((request.context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      return toTranslation(log, () => [
        postJson(rules.origin, rules.pathOf("/moderations", model), {
          model,
          input,
          ...providerOptionsOf(request.context?.providerOptions ?? {}, rules.aliases),
        }),
      ]);
    },
    fromHttpResponse: (response) => fromModeration(response, rules.source),
  };
}

/** Texts alone as texts, which every model takes; with images the form that only omni-moderation takes. */
function toModerationInput(parts: readonly Part[], images: boolean, log: TranslationLog): JsonOut {
  const items = parts.map(({ content }, index) => {
    if (content.case === "text") return { type: "text", text: content.value.text };
    if (content.case === "image" && images) return toImage(content.value, `parts[${index}].image`, log);
    log.unsupported(`parts[${index}]`, `the provider moderates texts${images ? " and images" : ""} only`);
    return { type: "text", text: "" };
  });
  const texts = items.filter((item) => "text" in item).map((item) => item.text);
  if (texts.length < items.length) return items;
  return texts.length === 1 ? (texts[0] ?? "") : texts;
}

function toImage(media: Media, field: string, log: TranslationLog) {
  const { source } = media;
  if (source.case === "fileId") log.unsupported(`${field}.file_id`, "the provider takes no uploaded files here");
  const url = source.case === "data" ? toDataUrl(media.mediaType || "image/png", source.value) : source.value;
  return { type: "image_url", image_url: { url: url ?? "" } };
}

export function fromModeration(response: HttpResponse, source: string): Moderation {
  const body = readJsonAnswer(response.body, "moderation");
  if (body["error"] !== undefined && body["error"] !== null) throw toFailureInside(body);
  const results = (asArray(body["results"]) ?? []).map((result) => asObject(result) ?? {});
  if (results.length === 0) throw notAnAnswer("moderation", "it has no results");
  return {
    flagged: results.some(isFlagged),
    findings: toFindings(results, source),
    usage: toInputUsage(asObject(body["usage"])),
    responseModel: asString(body["model"]) ?? "",
    warnings: [],
  };
}

function isFlagged(result: JsonRecord): boolean {
  return result["flagged"] === true || Object.values(asObject(result["categories"]) ?? {}).includes(true);
}

/** One for each category, with its highest score over all results; `severity` "flagged": over the model's threshold. */
function toFindings(results: readonly JsonRecord[], source: string): readonly SafetyFinding[] {
  const findings = new Map<string, SafetyFinding>();
  for (const result of results) {
    const categories = asObject(result["categories"]) ?? {};
    const scores = asObject(result["category_scores"]) ?? {};
    for (const category of new Set([...Object.keys(categories), ...Object.keys(scores)])) {
      const finding =
        findings.get(category) ?? create(SafetyFindingSchema, { source, category, subject: SafetySubject.INPUT });
      const score = asNumber(scores[category]);
      if (score !== undefined) finding.score = Math.max(score, finding.score ?? 0);
      if (categories[category] === true) finding.severity = "flagged";
      findings.set(category, finding);
    }
  }
  return [...findings.values()];
}
