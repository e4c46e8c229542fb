// A neutral request to the body of generateContent, which AI Studio and Vertex AI share.
import type { CompleteRequest } from "../../contract.ts";
import type { FieldViolation } from "../../domain/call-failure.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import { noteNoEndUser } from "../note-absent.ts";
import { noteForeignState } from "../note-foreign-state.ts";
import type { TranslationContext } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";
import { toContents } from "./contents.ts";
import { toGenerationConfig } from "./generation-config.ts";
import { traitsOf } from "./model-traits.ts";
import { toToolConfig, toTools } from "./tools.ts";

export type GenerateBody =
  | { readonly kind: "body"; readonly body: JsonOutObject; readonly log: TranslationLog }
  | { readonly kind: "unsupported"; readonly violations: readonly FieldViolation[] };

export type GenerateDialect = {
  /** Names under which options and state of this provider stand in the request. */
  readonly aliases: readonly string[];
  /** The API of AI Studio, which has fields that Vertex AI has not: `serviceTier`, calls of Google's tools. */
  readonly isDeveloperApi: boolean;
};

export function toGenerateBody(
  request: CompleteRequest,
  context: TranslationContext,
  dialect: GenerateDialect,
): GenerateBody {
  const log = createTranslationLog();
  const traits = traitsOf(context.model);
  const body: JsonOutObject = {
    ...toContents(request.messages, traits, dialect.aliases, log),
    tools: toTools(request, dialect.aliases, log),
    toolConfig: toToolConfig(request, traits.mixesTools && dialect.isDeveloperApi, log),
    generationConfig: withoutNothing(toGenerationConfig(request, traits, log)),
    cachedContent: request.promptCache?.cachedContent || undefined,
    serviceTier: toServiceTier(request.serviceTier, dialect, log),
  };
  if ((request.promptCache?.key ?? "") !== "") log.dropped("prompt_cache.key", "Gemini has no cache keys");
  if (request.promptCache?.ttl !== undefined) log.dropped("prompt_cache.ttl", "Gemini sets the time to live itself");
  noteNoEndUser(request, log);
  noteForeignState(request, dialect.aliases, log);
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };
  return { kind: "body", body: merge(body, providerOptionsOf(request.providerOptions, dialect.aliases)), log };
}

function withoutNothing(config: JsonOutObject): JsonOutObject | undefined {
  return Object.values(config).some((value) => value !== undefined) ? config : undefined;
}

const tierNames = wordTable<string>({
  default: "standard",
  standard: "standard",
  flex: "flex",
  priority: "priority",
});

function toServiceTier(tier: string, dialect: GenerateDialect, log: TranslationLog): string | undefined {
  if (tier === "") return undefined;
  const name = dialect.isDeveloperApi ? tierNames[tier] : undefined;
  if (name === undefined) log.dropped("service_tier", `the tier "${tier}" cannot be chosen here`);
  return name;
}

/** Options win; objects such as `generationConfig` are merged member by member, so that one option does not wipe the rest. */
function merge(body: JsonOutObject, options: JsonOutObject): JsonOutObject {
  const merged = Object.entries(options).map(([name, value]) => {
    const before = body[name];
    return [name, isObject(before) && isObject(value) ? { ...before, ...value } : value] as const;
  });
  return { ...body, ...Object.fromEntries(merged) };
}

function isObject(value: JsonOut | undefined): value is JsonOutObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof RawJson);
}
