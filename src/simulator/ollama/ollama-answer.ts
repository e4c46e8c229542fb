// Ollama's own chat (Ollama API documentation, "Generate a chat completion"): one JSON object, or one for each piece and a
// last one with the counts. Arguments are an object, and a call ends like text, with "stop".
import type { Finish, Script, ScriptedCall } from "../script.ts";
import type { Frame } from "../wire.ts";

const doneReasons = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "tool-calls": "stop",
  refusal: "stop",
  "content-filter": "stop",
} as const satisfies Record<Finish, string>;

export function toOllamaChat(script: Script): string {
  const message = {
    role: "assistant",
    content: textOf(script).join(""),
    ...(script.reasoning.length > 0 ? { thinking: script.reasoning.join("") } : {}),
    ...(script.toolCalls.length > 0 ? { tool_calls: script.toolCalls.map(toToolCall) } : {}),
  };
  return JSON.stringify({ ...head(script), message, ...endOf(script) });
}

export function toOllamaFrames(script: Script): readonly Frame[] {
  const line = (message: object): object => ({
    ...head(script),
    message: { role: "assistant", ...message },
    done: false,
  });
  return [
    ...script.reasoning.map((thinking) => toLine(line({ content: "", thinking }), true)),
    ...textOf(script).map((content) => toLine(line({ content }), true)),
    ...script.toolCalls.map((call, index) =>
      toLine(line({ content: "", tool_calls: [toToolCall(call, index)] }), true),
    ),
    toLine({ ...head(script), message: { role: "assistant", content: "" }, ...endOf(script) }, false),
  ];
}

export function toLine(value: object, piece: boolean): Frame {
  return { bytes: `${JSON.stringify(value)}\n`, piece };
}

function textOf({ text, refusal }: Script): readonly string[] {
  return [...text, ...refusal];
}

function head({ model }: Script): object {
  return { model, created_at: "2026-01-01T00:00:00Z" };
}

function toToolCall({ id, name, argumentPieces }: ScriptedCall, index: number): object {
  const given: unknown = JSON.parse(argumentPieces.join(""));
  return { id: `call_${id.slice(0, 8)}`, function: { index, name, arguments: given } };
}

/** Times are nanoseconds. */
function endOf({ finish, usage, controls }: Script): object {
  const counts = controls.noUsage ? {} : { prompt_eval_count: usage.inputTokens, eval_count: usage.outputTokens };
  return { done_reason: doneReasons[finish], done: true, total_duration: 1_000_000, load_duration: 1_000, ...counts };
}
