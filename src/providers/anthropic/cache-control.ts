import type { Duration } from "@bufbuild/protobuf/wkt";
import { type CompleteRequest, PromptCacheMode, type PromptCacheOptions } from "../../contract.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { firstBreakpoint } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { Block, Turn } from "./wire.ts";

/**
 * Value of `cache_control`; `undefined` without a breakpoint, or when the caller switched caching off. A time to live is
 * rounded up to the next that the API offers (prompt caching, "1-hour cache duration").
 */
export function toCacheControl(
  breakpoint: { readonly ttl?: Duration | undefined } | undefined,
  field: string,
  request: CompleteRequest,
  log: TranslationLog,
): JsonOutObject | undefined {
  if (breakpoint === undefined || request.promptCache?.mode === PromptCacheMode.OFF) return undefined;
  const { ttl } = breakpoint;
  if (ttl === undefined) return { type: "ephemeral" };
  const seconds = Number(ttl.seconds) + (ttl.nanos > 0 ? 1 : 0);
  if (seconds > 3600) log.adjusted(`${field}.ttl`, "the longest time to live is one hour");
  return { type: "ephemeral", ttl: seconds > 300 ? "1h" : "5m" };
}

export type Cacheable = {
  readonly tools: readonly Block[];
  readonly system: readonly Block[];
  readonly messages: readonly Turn[];
};

/**
 * PROMPT_CACHE_MODE_AUTO: breakpoints after the tools, after the system prompt and after the last turn, so that the next
 * turn finds this one's prefix. The caller's own ones stay. At most four in all, else the API refuses the request.
 */
export function withBreakpoints(prompt: Cacheable, request: CompleteRequest, log: TranslationLog): Cacheable {
  const options = request.promptCache;
  const isAutomatic = options?.mode === PromptCacheMode.AUTO;
  const marked = isAutomatic ? markAutomatically(prompt, options, request, log) : prompt;
  const field = firstBreakpoint(request) ?? "prompt_cache.ttl";
  return withLongestFirst(withinLimit(marked, field, log), field, log);
}

const breakpointsMax = 4;

function markAutomatically(
  prompt: Cacheable,
  options: PromptCacheOptions,
  request: CompleteRequest,
  log: TranslationLog,
): Cacheable {
  const control = toCacheControl({ ttl: options.ttl }, "prompt_cache", request, log);
  let left = breakpointsMax - countBreakpoints(prompt);
  const mark = (blocks: readonly Block[]): readonly Block[] => {
    const position = blocks.findLastIndex(canCarry);
    const last = blocks[position];
    if (last === undefined || last instanceof RawJson || isMarked(last) || left <= 0) return blocks;
    left -= 1;
    return blocks.with(position, { ...last, cache_control: control });
  };
  // The last turn first: of all breakpoints it saves most in a conversation.
  const lastTurn = prompt.messages.at(-1);
  const messages =
    lastTurn === undefined ? [] : prompt.messages.with(-1, { ...lastTurn, content: mark(lastTurn.content) });
  return { messages, system: mark(prompt.system), tools: mark(prompt.tools) };
}

/** Thinking blocks take no `cache_control`: they are cached with what follows them. */
export function canCarry(block: Block): boolean {
  return !(block instanceof RawJson) && block["type"] !== "thinking" && block["type"] !== "redacted_thinking";
}

function isMarked(block: Block): boolean {
  return !(block instanceof RawJson) && block["cache_control"] !== undefined;
}

function countBreakpoints(prompt: Cacheable): number {
  const blocks = [...prompt.tools, ...prompt.system, ...prompt.messages.flatMap((turn) => turn.content)];
  return blocks.filter(isMarked).length;
}

/** The last ones stay, since they cover the longest prefixes. */
function withinLimit(prompt: Cacheable, field: string, log: TranslationLog): Cacheable {
  let surplus = countBreakpoints(prompt) - breakpointsMax;
  if (surplus <= 0) return prompt;
  log.adjusted(field, `only the last ${breakpointsMax} breakpoints are kept`);
  return mapMarked(prompt, (block) => {
    surplus -= 1;
    return surplus >= 0 ? { ...block, cache_control: undefined } : block;
  });
}

/** A prefix that lives an hour may not contain one that lives less ("Mixing different TTLs"): the shorter is raised. */
function withLongestFirst(prompt: Cacheable, field: string, log: TranslationLog): Cacheable {
  let hoursAhead = 0;
  mapMarked(prompt, (block) => {
    if (livesAnHour(block)) hoursAhead += 1;
    return block;
  });
  let isRaised = false;
  const raised = mapMarked(prompt, (block) => {
    if (livesAnHour(block)) hoursAhead -= 1;
    else if (hoursAhead > 0) {
      isRaised = true;
      return { ...block, cache_control: { type: "ephemeral", ttl: "1h" } };
    }
    return block;
  });
  if (isRaised) log.adjusted(field, "lives one hour, as a breakpoint after it does");
  return raised;
}

function livesAnHour(block: JsonOutObject): boolean {
  const control = block["cache_control"];
  return typeof control === "object" && control !== null && "ttl" in control && control["ttl"] === "1h";
}

/** Changes the blocks with a breakpoint, in the order in which the API reads the prompt. */
function mapMarked(prompt: Cacheable, change: (block: JsonOutObject) => JsonOutObject): Cacheable {
  const changeAll = (blocks: readonly Block[]): readonly Block[] =>
    blocks.map((block) => (block instanceof RawJson || !isMarked(block) ? block : change(block)));
  const tools = changeAll(prompt.tools);
  const system = changeAll(prompt.system);
  return { tools, system, messages: prompt.messages.map((turn) => ({ ...turn, content: changeAll(turn.content) })) };
}
