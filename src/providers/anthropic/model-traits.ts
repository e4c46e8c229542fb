// What a Claude model accepts, read from its name. The API refuses with 400 what a model does not take, so a request that
// is to be portable has to know. Sources: platform.claude.com "Extended thinking", "Adaptive thinking", "Effort",
// "Structured outputs", and the migration guides of Opus 4.7, Sonnet 5, Opus 5.5.

export type ModelTraits = {
  /** `budget`: `thinking.budget_tokens`. `adaptive`: `thinking.type: "adaptive"` with `output_config.effort`. */
  readonly thinking: "none" | "budget" | "adaptive";
  /** Whether `thinking.display` is understood. */
  readonly thinkingDisplay: boolean;
  /** `disabled` is refused: the least is effort "low". */
  readonly alwaysThinks: boolean;
  /** Effort "xhigh" is known. */
  readonly effortXhigh: boolean;
  /** `tool_choice` may not force a tool while the model thinks. */
  readonly thinkingExcludesForcedTool: boolean;
  /** `tool_choice` "any" and "tool" are accepted. */
  readonly forcedTool: boolean;
  /** `temperature`, `top_p` and `top_k` are accepted. */
  readonly sampling: boolean;
  /** `temperature` and `top_p` are accepted together. */
  readonly temperatureWithTopP: boolean;
  /** `output_config.format` is accepted. */
  readonly jsonSchema: boolean;
  /** Goes on from a last assistant message (prefill). Claude 4.6 and later refuse one. */
  readonly prefill: boolean;
  /** Sent as `max_tokens`, which the API demands, when neither the caller nor the catalogue knows better. */
  readonly maxTokensDefault: number;
};

/** `model` may be a name of the Claude API, of Vertex AI ("claude-opus-4@20250514") or of Bedrock ("us.anthropic.claude-…-v1:0"). */
export function traitsOf(model: string): ModelTraits {
  const name = parseName(model);
  return name === undefined ? traitsOfUnknown : traitsOfVersion(name.family, name.version);
}

/** A name that we cannot read is likelier a new model, or a proxy's name of one, than an old one. */
const traitsOfUnknown: ModelTraits = {
  thinking: "adaptive",
  thinkingDisplay: true,
  alwaysThinks: false,
  effortXhigh: true,
  thinkingExcludesForcedTool: false,
  forcedTool: true,
  sampling: true,
  temperatureWithTopP: true,
  jsonSchema: true,
  prefill: false,
  maxTokensDefault: 32_000,
};

function traitsOfVersion(family: string, version: number): ModelTraits {
  const isMythosClass = family === "fable" || family === "mythos";
  const isLateFive = version >= 55 && (family === "opus" || family === "sonnet");
  return {
    thinking: thinkingOf(version),
    thinkingDisplay: version >= 40,
    alwaysThinks: isMythosClass || isLateFive,
    effortXhigh: version >= 47,
    thinkingExcludesForcedTool: version < 47,
    forcedTool: !(isLateFive || (isMythosClass && version >= 51)),
    sampling: version < 47,
    temperatureWithTopP: version < 41,
    jsonSchema: version >= 45 || (family === "opus" && version === 41),
    prefill: version < 46,
    maxTokensDefault: maxTokensDefaultOf(version),
  };
}

function thinkingOf(version: number): ModelTraits["thinking"] {
  if (version >= 46) return "adaptive";
  return version >= 37 ? "budget" : "none";
}

function maxTokensDefaultOf(version: number): number {
  if (version >= 37) return 32_000; // The least of the newer models' limits (Opus 4).
  return version >= 35 ? 8192 : 4096;
}

type Name = { readonly family: string /** Ten times the major version, plus the minor. */; readonly version: number };

/** "claude-opus-4-5-20251101" and "claude-3-7-sonnet-latest"; a date is no minor version. */
function parseName(model: string): Name | undefined {
  const [, family, major, minor] = /claude-(opus|sonnet|haiku|fable|mythos)-(\d)(?:[-.](\d)(?!\d))?/.exec(model) ?? [];
  if (family !== undefined) return { family, version: toVersion(major, minor) };
  const [, oldMajor, oldMinor, oldFamily] = /claude-(\d)(?:[-.](\d))?-(opus|sonnet|haiku)/.exec(model) ?? [];
  return oldFamily === undefined ? undefined : { family: oldFamily, version: toVersion(oldMajor, oldMinor) };
}

function toVersion(major: string | undefined, minor: string | undefined): number {
  return Number(major ?? 0) * 10 + Number(minor ?? 0);
}
