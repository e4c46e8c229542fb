// Cache points ("CachePointBlock"): blocks of their own, after what is to be cached.
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type CompleteRequest, PromptCacheMode } from "../../contract.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { firstBreakpoint } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";
import { cachesForHours, familyOf, type ModelFamily } from "./model-family.ts";
import type { Block, Turn } from "./wire.ts";

/** The three sections of a prompt, in the order in which the cache reads them. */
export type Prompt = {
  readonly tools: readonly Block[];
  readonly system: readonly Block[];
  readonly messages: readonly Turn[];
};

type Breakpoint = { readonly ttl?: Duration | undefined };

/** The point after a block with a breakpoint: one block, or none. A time to live is rounded up to the next there is. */
export function toCachePoint(
  breakpoint: Breakpoint | undefined,
  field: string,
  request: CompleteRequest,
  log: TranslationLog,
): readonly JsonOutObject[] {
  if (breakpoint === undefined || request.promptCache?.mode === PromptCacheMode.OFF) return [];
  const { ttl } = breakpoint;
  if (ttl === undefined) return [{ cachePoint: { type: "default" } }];
  const seconds = Number(ttl.seconds) + (ttl.nanos > 0 ? 1 : 0);
  if (seconds > 3600) log.adjusted(`${field}.ttl`, "the longest time to live is one hour");
  return [{ cachePoint: { type: "default", ttl: seconds > 300 ? "1h" : "5m" } }];
}

const pointsMax = 4;

/**
 * Adds the points of PROMPT_CACHE_MODE_AUTO, and keeps the API's rules: only models that cache, at most four points, and
 * none that lives shorter before one that lives longer.
 */
export function withCachePoints(prompt: Prompt, request: CompleteRequest, model: string, log: TranslationLog): Prompt {
  const marked =
    request.promptCache?.mode === PromptCacheMode.AUTO ? withAutomaticPoints(prompt, request, log) : prompt;
  const field = firstBreakpoint(request) ?? "prompt_cache";
  const allowed = withinLimit(withoutRefused(marked, familyOf(model), field, log), field, log);
  return cachesForHours(model) ? withLongestFirst(allowed, field, log) : withoutTimes(allowed, field, log);
}

/** After the tools, the system prompt and the last turn, so that the next turn finds this one's prefix. */
function withAutomaticPoints(prompt: Prompt, request: CompleteRequest, log: TranslationLog): Prompt {
  const point = toCachePoint({ ttl: request.promptCache?.ttl }, "prompt_cache", request, log);
  const mark = (blocks: readonly Block[]): readonly Block[] => {
    const last = blocks.at(-1);
    return last === undefined || isPoint(last) ? blocks : [...blocks, ...point];
  };
  const turn = prompt.messages.at(-1);
  const messages = turn === undefined ? [] : prompt.messages.with(-1, { ...turn, content: mark(turn.content) });
  return { tools: mark(prompt.tools), system: mark(prompt.system), messages };
}

function withoutRefused(prompt: Prompt, family: ModelFamily, field: string, log: TranslationLog): Prompt {
  if (family.caching === "all" || countPoints(prompt) === 0) return prompt;
  const isToolsOnly = family.caching === "without-tools";
  if (isToolsOnly && !prompt.tools.some(isPoint)) return prompt;
  log.emulated(field, isToolsOnly ? "this model caches no tools" : "this model has no cache to steer");
  const tools = prompt.tools.filter((block) => !isPoint(block));
  return isToolsOnly ? { ...prompt, tools } : mapPoints(prompt, () => undefined);
}

/** The last ones stay, since they cover the longest prefixes. */
function withinLimit(prompt: Prompt, field: string, log: TranslationLog): Prompt {
  let surplus = countPoints(prompt) - pointsMax;
  if (surplus <= 0) return prompt;
  log.adjusted(field, `only the last ${pointsMax} breakpoints are kept`);
  return mapPoints(prompt, (point) => {
    surplus -= 1;
    return surplus >= 0 ? undefined : point;
  });
}

/** Models that keep a prefix five minutes are not told how long. */
function withoutTimes(prompt: Prompt, field: string, log: TranslationLog): Prompt {
  if (!allPoints(prompt).some(livesAnHour)) return prompt;
  log.adjusted(field, "this model keeps a prefix for five minutes");
  return mapPoints(prompt, () => ({ cachePoint: { type: "default" } }));
}

function withLongestFirst(prompt: Prompt, field: string, log: TranslationLog): Prompt {
  let hoursAhead = allPoints(prompt).filter(livesAnHour).length;
  if (hoursAhead === 0) return prompt;
  let isRaised = false;
  const raised = mapPoints(prompt, (point) => {
    if (livesAnHour(point)) hoursAhead -= 1;
    else if (hoursAhead > 0) {
      isRaised = true;
      return { cachePoint: { type: "default", ttl: "1h" } };
    }
    return point;
  });
  if (isRaised) log.adjusted(field, "lives one hour, as a breakpoint after it does");
  return raised;
}

function livesAnHour(point: JsonOutObject): boolean {
  const inner = point["cachePoint"];
  return typeof inner === "object" && inner !== null && "ttl" in inner && inner["ttl"] === "1h";
}

function isPoint(block: Block): block is JsonOutObject {
  return !(block instanceof RawJson) && block["cachePoint"] !== undefined;
}

function allPoints({ tools, system, messages }: Prompt): readonly JsonOutObject[] {
  return [...tools, ...system, ...messages.flatMap((turn) => turn.content)].filter(isPoint);
}

function countPoints(prompt: Prompt): number {
  return allPoints(prompt).length;
}

/** Changes the points, in order; `undefined` takes one away. */
function mapPoints(prompt: Prompt, change: (point: JsonOutObject) => JsonOutObject | undefined): Prompt {
  const changeAll = (blocks: readonly Block[]): readonly Block[] =>
    blocks.map((block) => (isPoint(block) ? change(block) : block)).filter((block) => block !== undefined);
  const tools = changeAll(prompt.tools);
  const system = changeAll(prompt.system);
  return { tools, system, messages: prompt.messages.map((turn) => ({ ...turn, content: changeAll(turn.content) })) };
}
