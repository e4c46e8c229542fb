// What the recorded answers hold, by provider: the other half of the matrix. A mark says that a recording has it, so that
// its translation is tested; no mark says nothing about the provider.
import { isFieldSet } from "@bufbuild/protobuf";
import { FinishReason, type Part, UsageSchema } from "../../src/contract.ts";
import type { Completion } from "../../src/domain/completion.ts";
import { createProvider } from "../../src/providers/registry.ts";
import { type CorpusCase, readBody, readCorpus, readHeaders } from "../corpus/corpus.ts";
import { failureInside } from "../corpus/expected-failures.ts";
import { settingsOfCase } from "../corpus/provider-of-case.ts";
import { chatOf, readContext, readStream } from "../corpus/read-case.ts";

export type AnswerColumn = {
  /** Kind, API or dialect. */
  readonly name: string;
  /** How many recorded answers were read. */
  readonly recordings: number;
  readonly content: ReadonlySet<string>;
  readonly usage: ReadonlySet<string>;
  readonly finishReasons: ReadonlySet<string>;
};

/** One column for each provider of the corpus, by name. Throws when there is no corpus. */
export function readAnswers(): readonly AnswerColumn[] {
  const columns = new Map<string, MutableColumn>();
  for (const one of readCorpus()) {
    const settings = settingsOfCase(one);
    if (settings === undefined || one.status >= 300 || failureInside(one) !== undefined) continue;
    const name = settings.dialect ?? (settings.api === undefined ? settings.kind : `${settings.kind} ${settings.api}`);
    const column = columns.get(name) ?? emptyColumn(name);
    columns.set(name, column);
    note(readCase(one), column);
  }
  return [...columns.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1));
}

type MutableColumn = {
  readonly name: string;
  recordings: number;
  readonly content: Set<string>;
  readonly usage: Set<string>;
  readonly finishReasons: Set<string>;
};

function emptyColumn(name: string): MutableColumn {
  return { name, recordings: 0, content: new Set(), usage: new Set(), finishReasons: new Set() };
}

function readCase(one: CorpusCase): Completion {
  const settings = settingsOfCase(one);
  if (settings === undefined) throw new Error(`${one.id}: no adapter`);
  const chat = chatOf(createProvider(settings));
  if (one.bodyKind !== "json") return readStream(chat, [readBody(one)]).completion;
  return chat.fromHttpResponse({ status: one.status, headers: readHeaders(one), body: readBody(one) }, readContext);
}

function note(completion: Completion, column: MutableColumn): void {
  column.recordings += 1;
  for (const part of completion.parts) for (const name of contentOf(part)) column.content.add(name);
  const calls = completion.parts.filter(
    ({ content }) => content.case === "toolCall" && !content.value.providerExecuted,
  );
  if (calls.length > 1) column.content.add("parallel calls");
  if (completion.safetyFindings.length > 0) column.content.add("safety findings");
  const { usage } = completion;
  if (usage !== undefined) {
    for (const field of UsageSchema.fields) if (isFieldSet(usage, field)) column.usage.add(field.name);
  }
  column.finishReasons.add(nameOf(completion.finishReason));
}

/** What a part holds, in the words of the page. */
function contentOf({ content, state }: Part): readonly string[] {
  const names: string[] = state === undefined ? [] : ["opaque state"];
  switch (content.case) {
    case "text":
      if (content.value.text !== "") names.push("text");
      if (content.value.citations.length > 0) names.push("citations");
      if (content.value.logprobs.length > 0) names.push("log probabilities");
      break;
    case "toolCall":
      names.push(content.value.providerExecuted ? "calls run by the provider" : "tool calls");
      break;
    case "toolResult":
      names.push("results of tools run by the provider");
      break;
    case "provider":
      names.push("provider parts");
      break;
    case undefined:
      break;
    default:
      names.push(content.case);
  }
  return names;
}

function nameOf(reason: FinishReason): string {
  return Object.entries(FinishReason).find(([, value]) => value === reason)?.[0] ?? String(reason);
}
