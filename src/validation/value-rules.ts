// Rules on single values: text, numbers, enums and durations. Each `to…Check` reads the options once and returns a plain
// function. A rule that is not implemented throws here, at compile time, so that none is ignored in silence.
import { type DescEnum, type DescMessage, isFieldSet, type Message } from "@bufbuild/protobuf";
import type {
  DoubleRules,
  DurationRules,
  EnumRules,
  Int32Rules,
  Int64Rules,
  StringRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import {
  DoubleRulesSchema,
  DurationRulesSchema,
  EnumRulesSchema,
  Int32RulesSchema,
  Int64RulesSchema,
  StringRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { isUri } from "./is-uri.ts";
import type { Trail } from "./trail.ts";

/** Reports at the place where the trail stands. */
export type ValueCheck = (value: unknown, trail: Trail) => void;

/** Throws when a rule is set that this program does not know. */
export function refuseUnknownRules(schema: DescMessage, rules: Message, known: readonly string[]): void {
  const unknown = schema.fields.filter((field) => isFieldSet(rules, field) && !known.includes(field.name));
  if (unknown.length > 0 || (rules.$unknown?.length ?? 0) > 0) {
    const names = unknown.map((field) => field.name).join(", ");
    throw new Error(`validation rule not implemented: ${schema.typeName} ${names === "" ? "extension" : names}`);
  }
}

/** With no rules: only that the text can be written as UTF-8 (JSON may carry half a surrogate pair). */
export function toStringCheck(rules: StringRules | undefined): ValueCheck {
  if (rules === undefined) {
    return checkWellFormed;
  }
  refuseUnknownRules(StringRulesSchema, rules, ["min_len", "max_len", "pattern", "uri"]);
  const lengthMin = isFieldSet(rules, StringRulesSchema.field.minLen) ? Number(rules.minLen) : 0;
  const lengthMax = isFieldSet(rules, StringRulesSchema.field.maxLen) ? Number(rules.maxLen) : Number.POSITIVE_INFINITY;
  const pattern = isFieldSet(rules, StringRulesSchema.field.pattern) ? new RegExp(rules.pattern, "u") : undefined;
  const mustBeUri = rules.wellKnown.case === "uri" && rules.wellKnown.value;

  return (value, trail) => {
    if (typeof value !== "string") {
      return;
    }
    checkWellFormed(value, trail);
    if (isShorterThan(value, lengthMin)) {
      trail.report(`at least ${lengthMin} characters are needed`);
    }
    if (isLongerThan(value, lengthMax)) {
      trail.report(`at most ${lengthMax} characters are allowed`);
    }
    if (pattern !== undefined && !pattern.test(value)) {
      trail.report(`does not match ${pattern.source}`);
    }
    if (mustBeUri && !isUri(value)) {
      trail.report("is not a URI");
    }
  };
}

function checkWellFormed(value: unknown, trail: Trail): void {
  if (typeof value === "string" && !value.isWellFormed()) {
    trail.report("is not valid Unicode: half of a surrogate pair stands alone");
  }
}

/** Lengths are code points, as protovalidate counts; they are only counted when the UTF-16 length cannot tell. */
function isShorterThan(text: string, lengthMin: number): boolean {
  return text.length < lengthMin * 2 && (text.length < lengthMin || codePoints(text) < lengthMin);
}

function isLongerThan(text: string, lengthMax: number): boolean {
  return text.length > lengthMax && (text.length > lengthMax * 2 || codePoints(text) > lengthMax);
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) {
    count += 1;
  }
  return count;
}

type Comparable = number | bigint;
type Bound = { readonly case: string | undefined; readonly value?: Comparable | undefined };

const rangeRules = ["gt", "gte", "lt", "lte"] as const;

export function toInt32Check(rules: Int32Rules): ValueCheck {
  refuseUnknownRules(Int32RulesSchema, rules, rangeRules);
  return toRangeCheck(rules.greaterThan, rules.lessThan, asNumber);
}

export function toInt64Check(rules: Int64Rules): ValueCheck {
  refuseUnknownRules(Int64RulesSchema, rules, rangeRules);
  return toRangeCheck(rules.greaterThan, rules.lessThan, asBigint);
}

export function toDoubleCheck(rules: DoubleRules): ValueCheck {
  refuseUnknownRules(DoubleRulesSchema, rules, rangeRules);
  return toRangeCheck(rules.greaterThan, rules.lessThan, asNumber);
}

export function toDurationCheck(rules: DurationRules): ValueCheck {
  refuseUnknownRules(DurationRulesSchema, rules, rangeRules);
  return toRangeCheck(inNanoseconds(rules.greaterThan), inNanoseconds(rules.lessThan), asNanoseconds, "ns");
}

export function toEnumCheck(rules: EnumRules, desc: DescEnum): ValueCheck {
  refuseUnknownRules(EnumRulesSchema, rules, ["defined_only", "not_in"]);
  const defined = new Set(desc.values.map((value) => value.number));
  const refused = new Set(rules.notIn);
  return (value, trail) => {
    if (typeof value !== "number") {
      return;
    }
    if (rules.definedOnly && !defined.has(value)) {
      trail.report(`${value} is not a value of ${desc.name}`);
    }
    if (refused.has(value)) {
      trail.report(`${desc.value[value]?.name ?? value} is not allowed`);
    }
  };
}

/** Everything but a true comparison breaks the rule, so that NaN does. */
function toRangeCheck(
  lower: Bound,
  upper: Bound,
  toComparable: (value: unknown) => Comparable | undefined,
  unit = "",
): ValueCheck {
  const low = lower.value;
  const high = upper.value;
  if (low !== undefined && high !== undefined && high < low) {
    throw new Error("validation rule not implemented: a range that is turned inside out");
  }
  const description = describeRange(lower, upper, unit);
  return (value, trail) => {
    const subject = toComparable(value);
    if (subject === undefined) {
      return;
    }
    const isHighEnough = low === undefined || (lower.case === "gt" ? subject > low : subject >= low);
    const isLowEnough = high === undefined || (upper.case === "lt" ? subject < high : subject <= high);
    if (!isHighEnough || !isLowEnough) {
      trail.report(description);
    }
  };
}

function describeRange(lower: Bound, upper: Bound, unit: string): string {
  const parts = [
    ...(lower.value === undefined
      ? []
      : [`${lower.case === "gt" ? "greater than" : "at least"} ${lower.value}${unit}`]),
    ...(upper.value === undefined ? [] : [`${upper.case === "lt" ? "less than" : "at most"} ${upper.value}${unit}`]),
  ];
  return `must be ${parts.join(" and ")}`;
}

function asNumber(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function asBigint(value: unknown): bigint | undefined {
  return typeof value === "bigint" ? value : undefined;
}

function asNanoseconds(value: unknown): bigint | undefined {
  if (typeof value !== "object" || value === null || !("seconds" in value) || !("nanos" in value)) {
    return undefined;
  }
  const { seconds, nanos } = value;
  return typeof seconds === "bigint" && typeof nanos === "number"
    ? seconds * 1_000_000_000n + BigInt(nanos)
    : undefined;
}

function inNanoseconds(bound: { readonly case: string | undefined; readonly value?: unknown }): Bound {
  return { case: bound.case, value: asNanoseconds(bound.value) };
}
