// The two forms of a response: the object, and the events of a stream (OpenAI API reference, "The response object",
// "Streaming events"). Each event bears its type twice and a number.
import { createdAtSeconds } from "../openai/chat-answer.ts";
import type { Script, ScriptedCall } from "../script.ts";
import { sseEvent, ssePiece } from "../sse-frame.ts";
import type { Frame } from "../wire.ts";

type Event = { readonly type: string; readonly piece: boolean; readonly fields: object };

export function toResponse(script: Script): string {
  return JSON.stringify({ ...head(script), ...endOf(script), output: itemsOf(script) });
}

export function toResponseFrames(script: Script): readonly Frame[] {
  const inProgress = { response: { ...head(script), status: "in_progress", output: [], usage: null } };
  const response = { ...head(script), ...endOf(script), output: itemsOf(script) };
  const events: readonly Event[] = [
    { type: "response.created", piece: false, fields: inProgress },
    { type: "response.in_progress", piece: false, fields: inProgress },
    ...itemEventsOf(script).flatMap((toEvents, outputIndex) => toEvents(outputIndex)),
    { type: isWhole(script) ? "response.completed" : "response.incomplete", piece: false, fields: { response } },
  ];
  return events.map(({ type, piece, fields }, sequenceNumber) => {
    const data = { type, sequence_number: sequenceNumber, ...fields };
    return piece ? ssePiece(data, type) : sseEvent(data, type);
  });
}

function head(script: Script): object {
  return {
    id: `resp_${script.id}`,
    object: "response",
    created_at: createdAtSeconds,
    model: script.model,
    error: null,
    incomplete_details: null,
    service_tier: "default",
  };
}

function isWhole({ finish }: Script): boolean {
  return finish !== "length" && finish !== "content-filter";
}

function endOf(script: Script): object {
  if (isWhole(script)) return { status: "completed", ...usageOf(script) };
  const reason = script.finish === "length" ? "max_output_tokens" : "content_filter";
  return { status: "incomplete", incomplete_details: { reason }, ...usageOf(script) };
}

function usageOf({ usage, controls }: Script): object {
  if (controls.noUsage) return { usage: null };
  return {
    usage: {
      input_tokens: usage.inputTokens,
      input_tokens_details: { cached_tokens: usage.cachedTokens },
      output_tokens: usage.outputTokens,
      output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
      total_tokens: usage.inputTokens + usage.outputTokens,
    },
  };
}

function itemsOf(script: Script): readonly object[] {
  return [
    ...(script.reasoning.length > 0 ? [reasoningItem(script, [summaryPart(script)])] : []),
    ...(hasMessage(script)
      ? [messageItem(script, isWhole(script) ? "completed" : "incomplete", [messagePart(script)])]
      : []),
    ...script.toolCalls.map((call) => callItem(call, "completed", call.argumentPieces.join(""))),
  ];
}

function itemEventsOf(script: Script): readonly ((outputIndex: number) => readonly Event[])[] {
  return [
    ...(script.reasoning.length > 0 ? [(index: number) => reasoningEvents(script, index)] : []),
    ...(hasMessage(script) ? [(index: number) => messageEvents(script, index)] : []),
    ...script.toolCalls.map((call) => (index: number) => callEvents(call, index)),
  ];
}

function hasMessage({ text, refusal }: Script): boolean {
  return text.length + refusal.length > 0;
}

function reasoningId({ id }: Script): string {
  return `rs_${id}`;
}

function reasoningItem(script: Script, summary: readonly object[]): object {
  const encrypted = Buffer.from(`sealed by the simulator: ${script.id}`).toString("base64");
  return { id: reasoningId(script), type: "reasoning", summary, encrypted_content: encrypted };
}

function summaryPart({ reasoning }: Script): object {
  return { type: "summary_text", text: reasoning.join("") };
}

function messageItem({ id }: Script, status: string, content: readonly object[]): object {
  return { id: `msg_${id}`, type: "message", status, role: "assistant", content };
}

function messagePart({ text, refusal }: Script): object {
  if (refusal.length > 0) return { type: "refusal", refusal: refusal.join("") };
  return { type: "output_text", text: text.join(""), annotations: [], logprobs: [] };
}

function callItem({ id, name }: ScriptedCall, status: string, json: string): object {
  return { id: `fc_${id}`, type: "function_call", status, call_id: `call_${id}`, name, arguments: json };
}

function reasoningEvents(script: Script, outputIndex: number): readonly Event[] {
  const place = { item_id: reasoningId(script), output_index: outputIndex, summary_index: 0 };
  const text = script.reasoning.join("");
  return [
    added(outputIndex, reasoningItem(script, [])),
    event("response.reasoning_summary_part.added", { ...place, part: { type: "summary_text", text: "" } }),
    ...script.reasoning.map((delta) => piece("response.reasoning_summary_text.delta", { ...place, delta })),
    event("response.reasoning_summary_text.done", { ...place, text }),
    event("response.reasoning_summary_part.done", { ...place, part: summaryPart(script) }),
    done(outputIndex, reasoningItem(script, [summaryPart(script)])),
  ];
}

function messageEvents(script: Script, outputIndex: number): readonly Event[] {
  const place = { item_id: `msg_${script.id}`, output_index: outputIndex, content_index: 0 };
  const refuses = script.refusal.length > 0;
  const empty = refuses
    ? { type: "refusal", refusal: "" }
    : { type: "output_text", text: "", annotations: [], logprobs: [] };
  const status = isWhole(script) ? "completed" : "incomplete";
  const middle = refuses
    ? [
        ...script.refusal.map((delta) => piece("response.refusal.delta", { ...place, delta })),
        event("response.refusal.done", { ...place, refusal: script.refusal.join("") }),
      ]
    : [
        ...script.text.map((delta) => piece("response.output_text.delta", { ...place, delta, logprobs: [] })),
        event("response.output_text.done", { ...place, text: script.text.join(""), logprobs: [] }),
      ];
  return [
    added(outputIndex, messageItem(script, "in_progress", [])),
    event("response.content_part.added", { ...place, part: empty }),
    ...middle,
    event("response.content_part.done", { ...place, part: messagePart(script) }),
    done(outputIndex, messageItem(script, status, [messagePart(script)])),
  ];
}

function callEvents(call: ScriptedCall, outputIndex: number): readonly Event[] {
  const place = { item_id: `fc_${call.id}`, output_index: outputIndex };
  const json = call.argumentPieces.join("");
  return [
    added(outputIndex, callItem(call, "in_progress", "")),
    ...call.argumentPieces.map((delta) => piece("response.function_call_arguments.delta", { ...place, delta })),
    event("response.function_call_arguments.done", { ...place, arguments: json }),
    done(outputIndex, callItem(call, "completed", json)),
  ];
}

function added(outputIndex: number, item: object): Event {
  return event("response.output_item.added", { output_index: outputIndex, item });
}

function done(outputIndex: number, item: object): Event {
  return event("response.output_item.done", { output_index: outputIndex, item });
}

function event(type: string, fields: object): Event {
  return { type, piece: false, fields };
}

function piece(type: string, fields: object): Event {
  return { type, piece: true, fields };
}
