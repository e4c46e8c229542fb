// A conversation that goes on: what an answer becomes when it is sent back, and a way to look for it in what goes out.
import { create } from "@bufbuild/protobuf";
import { type CompleteRequest, CompleteRequestSchema, type Part, PartSchema, Role } from "../../src/contract.ts";
import type { ProviderSettings, Translation } from "../../src/providers/provider.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { chatOf } from "../corpus/read-case.ts";

/** A user's question, the answer with these parts, results for its calls, and a further question. */
export function nextTurn(parts: readonly Part[]): CompleteRequest {
  const results = parts.flatMap(({ content }) =>
    content.case === "toolCall" && !content.value.providerExecuted ? [toResult(content.value.callId)] : [],
  );
  return create(CompleteRequestSchema, {
    model: "m",
    messages: [
      { role: Role.USER, parts: [toText("Hello")] },
      { role: Role.ASSISTANT, parts: [...parts] },
      ...(results.length > 0 ? [{ role: Role.TOOL, parts: results }] : []),
      { role: Role.USER, parts: [toText("Go on.")] },
    ],
  });
}

export function toText(text: string): Part {
  return create(PartSchema, { content: { case: "text", value: { text } } });
}

function toResult(callId: string): Part {
  return create(PartSchema, { content: { case: "toolResult", value: { callId, content: [toText("done")] } } });
}

export function translate(settings: ProviderSettings, model: string, request: CompleteRequest): Translation {
  return chatOf(createProvider(settings)).toHttpRequest(request, "unary", { model, facts: {} });
}

/** What is translated; throws the violations where it is refused. */
export function sentBy(settings: ProviderSettings, model: string, request: CompleteRequest) {
  const translation = translate(settings, model, request);
  if (translation.kind === "request") return translation;
  throw new Error(translation.violations.map(({ field, description }) => `${field}: ${description}`).join("; "));
}

/** The body as it stands on the wire, and every string in it: where a value is looked for. */
export type Outgoing = { readonly body: string; readonly strings: readonly string[] };

export function toOutgoing(body: string | Uint8Array): Outgoing {
  const text = String(body);
  return { body: text, strings: stringsOf(JSON.parse(text)) };
}

function stringsOf(root: unknown): readonly string[] {
  const strings: string[] = [];
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (typeof value === "string") strings.push(value);
    else if (typeof value === "object" && value !== null) waiting.push(...Object.values(value));
  }
  return strings;
}

/** Whether the text stands in the body as it is, or in a string of it. */
export function holds({ body, strings }: Outgoing, text: string): boolean {
  return body.includes(text) || strings.some((string) => string.includes(text));
}
