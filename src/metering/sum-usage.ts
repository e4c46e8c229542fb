import { type CacheWrite, type Usage, UsageSource } from "../contract.ts";

type CountName = {
  [Name in keyof Usage]-?: Exclude<Usage[Name], undefined> extends number
    ? undefined extends Usage[Name]
      ? Name
      : never
    : never;
}[keyof Usage];

/** Every count of Usage; a new one in the contract does not compile until it stands here. */
const isCount = {
  inputTokens: true,
  outputTokens: true,
  cacheReadInputTokens: true,
  cacheWriteInputTokens: true,
  reasoningOutputTokens: true,
  audioInputTokens: true,
  audioOutputTokens: true,
  imageInputTokens: true,
  imageOutputTokens: true,
  videoInputTokens: true,
  documentInputTokens: true,
  toolInputTokens: true,
  acceptedPredictionOutputTokens: true,
  rejectedPredictionOutputTokens: true,
  generatedImages: true,
  inputCharacters: true,
  searchUnits: true,
} as const satisfies Record<CountName, true>;

/** Names of the counts of Usage that are whole numbers. */
export const countNames: readonly CountName[] = Object.keys(isCount).filter(
  (name): name is CountName => name in isCount,
);

/**
 * What all attempts consumed together. A count is the sum over the attempts that know it, and unknown when none does.
 * `undefined` stands for an attempt that consumed nothing known; no known usage at all gives `undefined`.
 */
export function sumUsage(usages: readonly (Usage | undefined)[]): Usage | undefined {
  const known = usages.filter((usage) => usage !== undefined);
  const [first, ...rest] = known;
  if (first === undefined) return undefined;
  if (rest.length === 0) return first;
  const sum = copyUsage(first);
  for (const usage of rest) addUsage(sum, usage);
  return sum;
}

function copyUsage(usage: Usage): Usage {
  return {
    ...usage,
    cacheWrites: usage.cacheWrites.map((write) => ({ ...write })),
    providerToolCalls: { ...usage.providerToolCalls },
  };
}

function addUsage(sum: Usage, usage: Usage): void {
  for (const name of countNames) {
    const count = usage[name];
    if (count !== undefined) sum[name] = (sum[name] ?? 0) + count;
  }
  for (const write of usage.cacheWrites) addCacheWrite(sum.cacheWrites, write);
  for (const [tool, calls] of Object.entries(usage.providerToolCalls)) {
    sum.providerToolCalls[tool] = (sum.providerToolCalls[tool] ?? 0) + calls;
  }
  sum.inputAudioDuration = addDuration(sum.inputAudioDuration, usage.inputAudioDuration);
  sum.outputAudioDuration = addDuration(sum.outputAudioDuration, usage.outputAudioDuration);
  if (sum.source !== usage.source) sum.source = UsageSource.MIXED;
}

function addCacheWrite(writes: CacheWrite[], write: CacheWrite): void {
  const same = writes.find(
    (other) => other.ttl?.seconds === write.ttl?.seconds && other.ttl?.nanos === write.ttl?.nanos,
  );
  if (same === undefined) writes.push({ ...write });
  else same.inputTokens += write.inputTokens;
}

type AudioDuration = Usage["inputAudioDuration"];

function addDuration(a: AudioDuration, b: AudioDuration): AudioDuration {
  if (a === undefined) return b;
  if (b === undefined) return a;
  const nanos = a.nanos + b.nanos;
  const carry = nanos >= 1_000_000_000 ? 1 : 0;
  return { ...a, seconds: a.seconds + b.seconds + BigInt(carry), nanos: nanos - carry * 1_000_000_000 };
}
