import { create } from "@bufbuild/protobuf";
import { SafetyAction, type SafetyFinding, SafetyFindingSchema, type SafetySubject } from "../../contract.ts";
import { asArray, asNumber, asObject, asString } from "../../wire/json.ts";

/** `safetyRatings` of a candidate or of the prompt; only those that acted unless `includeAll`. */
export function toFindings(
  ratings: unknown,
  source: string,
  subject: SafetySubject,
  includeAll: boolean,
): readonly SafetyFinding[] {
  return (asArray(ratings) ?? []).flatMap((value) => {
    const rating = asObject(value) ?? {};
    const isBlocked = rating["blocked"] === true;
    if (!isBlocked && !includeAll) return [];
    const finding = create(SafetyFindingSchema, {
      source,
      category: (asString(rating["category"]) ?? "").replace(/^HARM_CATEGORY_/, "").toLowerCase(),
      severity: asString(rating["probability"]) ?? "",
      subject,
      action: isBlocked ? SafetyAction.BLOCKED : SafetyAction.UNSPECIFIED,
    });
    const score = asNumber(rating["probabilityScore"]);
    if (score !== undefined) finding.score = score;
    return [finding];
  });
}
