// Findings of Bedrock's guardrails ("GuardrailAssessment"): what was found and what was done, never the words themselves.
import { create } from "@bufbuild/protobuf";
import { SafetyAction, type SafetyFinding, SafetyFindingSchema, SafetySubject } from "../../contract.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { wordTable } from "../word-table.ts";
import { bedrockName } from "./wire.ts";

/** `trace`: of an answer, or of a stream's `metadata`. `wantsAll`: also those that changed nothing. */
export function toFindings(trace: JsonRecord | undefined, wantsAll: boolean): readonly SafetyFinding[] {
  const guardrail = asObject(trace?.["guardrail"]);
  const findings = [
    ...toList(guardrail?.["inputAssessment"], SafetySubject.INPUT),
    ...toList(guardrail?.["outputAssessments"], SafetySubject.OUTPUT),
  ];
  return wantsAll ? findings : findings.filter(({ action }) => action !== SafetyAction.UNSPECIFIED);
}

/** Assessments by the id of the guardrail: one of the input, a list of the output. */
function toList(assessments: unknown, subject: SafetySubject): readonly SafetyFinding[] {
  return Object.entries(asObject(assessments) ?? {}).flatMap(([guardrail, value]) =>
    (asArray(value) ?? [value]).flatMap((assessment) => toFindingsOf(asObject(assessment) ?? {}, guardrail, subject)),
  );
}

/** Where each policy keeps its entries, and which of their members names the category. */
const policies = [
  { policy: "topicPolicy", list: "topics", prefix: "topic.", name: "name" },
  { policy: "contentPolicy", list: "filters", prefix: "", name: "type" },
  { policy: "wordPolicy", list: "customWords", prefix: "word", name: "" },
  { policy: "wordPolicy", list: "managedWordLists", prefix: "word.", name: "type" },
  { policy: "sensitiveInformationPolicy", list: "piiEntities", prefix: "pii.", name: "type" },
  { policy: "sensitiveInformationPolicy", list: "regexes", prefix: "pii.", name: "name" },
  { policy: "contextualGroundingPolicy", list: "filters", prefix: "grounding.", name: "type" },
] as const;

function toFindingsOf(assessment: JsonRecord, guardrail: string, subject: SafetySubject): readonly SafetyFinding[] {
  return policies.flatMap(({ policy, list, prefix, name }) =>
    (asArray(asObject(assessment[policy])?.[list]) ?? []).map((item) => {
      const entry = asObject(item) ?? {};
      const finding = create(SafetyFindingSchema, {
        source: guardrail || bedrockName,
        category: (prefix + (asString(entry[name]) ?? "")).toLowerCase(),
        severity: asString(entry["confidence"]) ?? "",
        subject,
        action: actions[asString(entry["action"]) ?? ""] ?? SafetyAction.UNSPECIFIED,
      });
      const score = asNumber(entry["score"]);
      if (score !== undefined && score >= 0 && score <= 1) finding.score = score;
      return finding;
    }),
  );
}

const actions = wordTable<SafetyAction>({
  BLOCKED: SafetyAction.BLOCKED,
  ANONYMIZED: SafetyAction.REDACTED,
});
