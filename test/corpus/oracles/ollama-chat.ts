import type { Observed } from "../observed.ts";
import { at, listAt, numberAt, parse, type Raw, textAt } from "../raw-json.ts";

/** What a whole answer holds. */
export function observeWhole(body: Uint8Array): Observed {
  return observe([parse(new TextDecoder().decode(body))]);
}

/** What the lines of a stream hold. */
export function observeStream(body: Uint8Array): Observed {
  return observe(linesOf(body).map(parse));
}

/** A line that is complete and says that it is the last. */
export function hasEnd(body: Uint8Array): boolean {
  return linesOf(body).some((line) => /"done": ?true/.test(line) && line.endsWith("}"));
}

function linesOf(body: Uint8Array): readonly string[] {
  return new TextDecoder()
    .decode(body)
    .split("\n")
    .filter((line) => line.trim() !== "");
}

function observe(lines: readonly Raw[]): Observed {
  const end = lines.find((line) => at(line, "done") === true);
  const all = (name: string) => lines.map((line) => textAt(line, "message", name)).join("");
  return {
    text: all("content"),
    refusal: "",
    reasoning: all("thinking"),
    calls: lines
      .flatMap((line) => listAt(line, "message", "tool_calls"))
      .map((call) => ({
        name: textAt(call, "function", "name"),
        arguments: JSON.stringify(at(call, "function", "arguments") ?? {}),
      })),
    finish: textAt(end, "done_reason"),
    inputTokens: numberAt(end, "prompt_eval_count"),
    outputTokens: numberAt(end, "eval_count"),
    cachedTokens: undefined,
    reasoningTokens: undefined,
  };
}
