// One answer of a chat model, in the wire formats of two providers, whole and as a stream.
import type { ScriptStep } from "./scripted-upstream.ts";

export type ChatAnswer = {
  /** Pieces of the text, none empty. */
  readonly text: readonly string[];
  readonly toolCall?: { readonly name: string; readonly json: readonly string[] } | undefined;
};

export type Wire = {
  readonly whole: (answer: ChatAnswer) => Uint8Array;
  /** The events of the stream, each a piece that stands by itself. */
  readonly events: (answer: ChatAnswer) => readonly string[];
};

const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

export const openAiWire: Wire = {
  whole: ({ text, toolCall }) =>
    json({
      id: "c1",
      object: "chat.completion",
      model: "gpt-x",
      usage,
      choices: [
        {
          index: 0,
          finish_reason: toolCall === undefined ? "stop" : "tool_calls",
          message: {
            role: "assistant",
            content: text.length === 0 ? null : text.join(""),
            ...(toolCall === undefined
              ? {}
              : { tool_calls: [{ id: "t1", type: "function", function: toFunction(toolCall) }] }),
          },
        },
      ],
    }),
  events: ({ text, toolCall }) => {
    const chunk = (delta: object, finish: string | null = null) =>
      sse({
        id: "c1",
        object: "chat.completion.chunk",
        model: "gpt-x",
        choices: [{ index: 0, delta, finish_reason: finish }],
      });
    const calls = (toolCall?.json ?? []).map((piece) =>
      chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] }),
    );
    return [
      chunk({ role: "assistant", content: "" }),
      ...text.map((piece) => chunk({ content: piece })),
      ...(toolCall === undefined
        ? []
        : [
            chunk({
              tool_calls: [{ index: 0, id: "t1", type: "function", function: { name: toolCall.name, arguments: "" } }],
            }),
            ...calls,
          ]),
      chunk({}, toolCall === undefined ? "stop" : "tool_calls"),
      sse({ id: "c1", object: "chat.completion.chunk", model: "gpt-x", choices: [], usage }),
      "data: [DONE]\n\n",
    ];
  },
};

export const anthropicWire: Wire = {
  whole: ({ text, toolCall }) =>
    json({
      id: "m1",
      type: "message",
      role: "assistant",
      model: "claude-x",
      stop_reason: toolCall === undefined ? "end_turn" : "tool_use",
      stop_sequence: null,
      usage: { input_tokens: 11, output_tokens: 7 },
      content: [
        ...(text.length === 0 ? [] : [{ type: "text", text: text.join("") }]),
        ...(toolCall === undefined
          ? []
          : [{ type: "tool_use", id: "t1", name: toolCall.name, input: JSON.parse(toolCall.json.join("")) }]),
      ],
    }),
  events: ({ text, toolCall }) => {
    const blocks: string[] = [];
    let index = 0;
    const block = (start: object, deltas: readonly object[]) => {
      blocks.push(named("content_block_start", { index, content_block: start }));
      for (const delta of deltas) blocks.push(named("content_block_delta", { index, delta }));
      blocks.push(named("content_block_stop", { index }));
      index += 1;
    };
    if (text.length > 0) {
      block(
        { type: "text", text: "" },
        text.map((piece) => ({ type: "text_delta", text: piece })),
      );
    }
    if (toolCall !== undefined) {
      block(
        { type: "tool_use", id: "t1", name: toolCall.name, input: {} },
        toolCall.json.map((piece) => ({ type: "input_json_delta", partial_json: piece })),
      );
    }
    const message = { id: "m1", type: "message", role: "assistant", model: "claude-x", content: [], stop_reason: null };
    return [
      named("message_start", { message: { ...message, usage: { input_tokens: 11, output_tokens: 1 } } }),
      ...blocks,
      named("message_delta", {
        delta: { stop_reason: toolCall === undefined ? "end_turn" : "tool_use", stop_sequence: null },
        usage: { output_tokens: 7 },
      }),
      named("message_stop", {}),
    ];
  },
};

/** A unary exchange. */
export function wholeScript(bytes: Uint8Array): readonly ScriptStep[] {
  return [{ kind: "start", status: 200 }, { kind: "data", bytes }, { kind: "end" }];
}

/** A streamed exchange, one piece a step. */
export function streamScript(pieces: readonly (string | Uint8Array)[]): readonly ScriptStep[] {
  return [
    { kind: "start", status: 200 },
    ...pieces
      .filter((piece) => piece.length > 0)
      .map((piece) => ({ kind: "data", bytes: typeof piece === "string" ? Buffer.from(piece) : piece }) as const),
    { kind: "end" },
  ];
}

function toFunction({ name, json: pieces }: { readonly name: string; readonly json: readonly string[] }) {
  return { name, arguments: pieces.join("") };
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

function sse(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function named(type: string, value: object): string {
  return `event: ${type}\n${sse({ type, ...value })}`;
}
