import { create } from "@bufbuild/protobuf";
import { SafetyAction, type SafetyFinding, SafetyFindingSchema, SafetySubject } from "../../contract.ts";
import { asArray, asBoolean, asObject, asString, type JsonRecord } from "../../wire/json.ts";

/**
 * Findings of Azure's content filters, which come in several chunks and more than once: the last word on a category counts,
 * but a block is never taken back. https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter-annotations
 */
export interface ContentFilterFindings {
  /** `prompt_filter_results`: one entry for each prompt. */
  addPrompt(results: unknown): void;
  /** `content_filter_results` of a choice, or `content_filter_result` of an error. */
  add(results: unknown, subject: SafetySubject): void;
  /** Those that blocked, or all when `includeAll`. */
  toFindings(includeAll: boolean): readonly SafetyFinding[];
}

export function createContentFilterFindings(source: string): ContentFilterFindings {
  const byCategory = new Map<string, SafetyFinding>();

  function add(results: unknown, subject: SafetySubject): void {
    for (const [category, value] of Object.entries(asObject(results) ?? {})) {
      const finding = toFinding(source, category, value, subject);
      const key = `${subject} ${category}`;
      if (finding === undefined || byCategory.get(key)?.action === SafetyAction.BLOCKED) continue;
      byCategory.set(key, finding);
    }
  }

  return {
    add,
    addPrompt(results) {
      for (const entry of asArray(results) ?? []) {
        add(asObject(entry)?.["content_filter_results"], SafetySubject.INPUT);
      }
    },
    toFindings(includeAll) {
      const all = [...byCategory.values()];
      return includeAll ? all : all.filter((finding) => finding.action === SafetyAction.BLOCKED);
    },
  };
}

function toFinding(
  source: string,
  category: string,
  value: unknown,
  subject: SafetySubject,
): SafetyFinding | undefined {
  const verdict = asObject(value);
  if (verdict === undefined) return undefined;
  const action = asBoolean(verdict["filtered"]) === true ? SafetyAction.BLOCKED : SafetyAction.UNSPECIFIED;
  return create(SafetyFindingSchema, { source, category, severity: toSeverity(verdict), subject, action });
}

/** Harm categories have a word; jailbreak, protected material and profanity are detected or not. */
function toSeverity(verdict: JsonRecord): string {
  const word = asString(verdict["severity"]);
  if (word !== undefined) return word;
  return asBoolean(verdict["detected"]) === true ? "detected" : "";
}
