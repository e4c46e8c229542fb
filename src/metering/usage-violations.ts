// The laws of usage (contract.md, 12), for counts that no adapter made but a human wrote down.
import { type Usage, UsageSchema } from "../contract.ts";
import type { FieldViolation } from "../domain/call-failure.ts";
import { countNames } from "./sum-usage.ts";

type CountName = (typeof countNames)[number];

const limits = {
  /** Of one attempt: far beyond what a model takes or gives, and low enough that sums of attempts stay an int32. */
  countMax: 100_000_000,
  toolsMax: 32,
  toolNameLengthMax: 64,
  cacheWritesMax: 8,
  audioSecondsMax: 1_000_000n,
} as const;

/** Each is a part of the total, and so are all parts of one list together. */
const parts: readonly (readonly [total: CountName, parts: readonly CountName[]])[] = [
  ["inputTokens", ["cacheReadInputTokens", "cacheWriteInputTokens"]],
  ["inputTokens", ["audioInputTokens"]],
  ["inputTokens", ["imageInputTokens"]],
  ["inputTokens", ["videoInputTokens"]],
  ["inputTokens", ["documentInputTokens"]],
  ["inputTokens", ["toolInputTokens"]],
  ["outputTokens", ["reasoningOutputTokens"]],
  ["outputTokens", ["audioOutputTokens"]],
  ["outputTokens", ["imageOutputTokens"]],
  ["outputTokens", ["acceptedPredictionOutputTokens", "rejectedPredictionOutputTokens"]],
];

/** Why these counts cannot be true; none when they can. Fields are named from "usage" on. */
export function usageViolations(usage: Usage): readonly FieldViolation[] {
  return [
    ...countNames.filter((name) => !isCount(usage[name] ?? 0)).map((name) => violation(name, countRule)),
    ...partViolations(usage),
    ...cacheWriteViolations(usage),
    ...toolViolations(usage),
    ...(["inputAudioDuration", "outputAudioDuration"] as const)
      .filter((name) => !isPossible(usage[name]))
      .map((name) => violation(name, `must be from 0 to ${limits.audioSecondsMax} seconds`)),
  ];
}

function partViolations(usage: Usage): readonly FieldViolation[] {
  return parts.flatMap(([total, names]) => {
    const sum = names.reduce((all, name) => all + (usage[name] ?? 0), 0);
    const first = names.find((name) => usage[name] !== undefined);
    // A part of an unknown total is at least known itself; a price then says that the cost is incomplete.
    if (first === undefined || sum <= (usage[total] ?? sum)) return [];
    return [violation(first, `must not be more than ${fieldOf(total)}, of which it is a part`)];
  });
}

function cacheWriteViolations({ cacheWrites, cacheWriteInputTokens }: Usage): readonly FieldViolation[] {
  if (cacheWrites.length === 0) return [];
  if (cacheWrites.length > limits.cacheWritesMax) {
    return [violation("cacheWrites", `must have at most ${limits.cacheWritesMax} entries`)];
  }
  const sum = cacheWrites.reduce((all, { inputTokens }) => all + inputTokens, 0);
  const isSplit = cacheWrites.every(({ inputTokens }) => isCount(inputTokens)) && sum === cacheWriteInputTokens;
  return isSplit ? [] : [violation("cacheWrites", "must add up to cache_write_input_tokens")];
}

function toolViolations({ providerToolCalls }: Usage): readonly FieldViolation[] {
  const calls = Object.entries(providerToolCalls);
  const isFine =
    calls.length <= limits.toolsMax &&
    calls.every(([tool, count]) => tool !== "" && tool.length <= limits.toolNameLengthMax && isCount(count));
  if (isFine) return [];
  const description = `must have at most ${limits.toolsMax} names of 1 to ${limits.toolNameLengthMax} characters, each with a count from 0 to ${limits.countMax}`;
  return [violation("providerToolCalls", description)];
}

const countRule = `must be from 0 to ${limits.countMax}`;

function isCount(count: number): boolean {
  return count >= 0 && count <= limits.countMax;
}

function isPossible(duration: Usage["inputAudioDuration"]): boolean {
  if (duration === undefined) return true;
  return duration.seconds >= 0n && duration.nanos >= 0 && duration.seconds <= limits.audioSecondsMax;
}

function violation(name: keyof typeof UsageSchema.field, description: string): FieldViolation {
  return { field: fieldOf(name), description };
}

function fieldOf(name: keyof typeof UsageSchema.field): string {
  return `usage.${UsageSchema.field[name].name}`;
}
