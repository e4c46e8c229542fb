// A recording through the real decoder and the real adapter, as the pipeline does it.
import type { Part, Usage } from "../../src/contract.ts";
import type { Completion, CompletionFacts } from "../../src/domain/completion.ts";
import { foldEvent } from "../../src/domain/fold.ts";
import { ProviderFailure } from "../../src/domain/provider-failure.ts";
import type { StreamEvent } from "../../src/domain/stream-event.ts";
import type { ChatOperation, Provider, ReadContext } from "../../src/providers/provider.ts";
import { createDecoder } from "../../src/wire/framings.ts";
import { FramingError } from "../../src/wire/wire-event.ts";

const limits = { eventBytesMax: 16 << 20 };

/** What a reader is told of the request. */
export const readContext: ReadContext = {
  model: "m",
  callIdSeed: "call_made_",
  includeProviderMetadata: false,
  includeAllSafetyFindings: false,
};

export type ReadStream = {
  readonly events: readonly StreamEvent[];
  readonly completion: Completion;
  readonly usageBeforeEnd: Usage | undefined;
};

/** Throws what the adapter throws; bytes that break their framing are the provider's failure, as they are in the pipeline. */
export function readStream(chat: ChatOperation, pieces: readonly Uint8Array[]): ReadStream {
  try {
    return readFramed(chat, pieces);
  } catch (error) {
    if (error instanceof FramingError) throw new ProviderFailure("bad-response", error.message, { cause: error });
    throw error;
  }
}

function readFramed(chat: ChatOperation, pieces: readonly Uint8Array[]): ReadStream {
  const decoder = createDecoder(chat.framing, limits);
  const reader = chat.createReader(readContext);
  const events: StreamEvent[] = [];
  for (const piece of pieces) {
    for (const event of decoder.push(piece)) events.push(...reader.read(event));
  }
  for (const event of decoder.finish()) events.push(...reader.read(event));
  const usageBeforeEnd = reader.usage();
  const end = reader.finish();
  events.push(...end.events);
  return { events, completion: fold(events, end.facts), usageBeforeEnd };
}

function fold(events: readonly StreamEvent[], facts: CompletionFacts): Completion {
  const parts: Part[] = [];
  for (const event of events) foldEvent(parts, event);
  return { ...facts, parts };
}

/** The chat operation, which every adapter of the corpus has. */
export function chatOf(provider: Provider): ChatOperation {
  if (provider.chat === undefined) throw new Error(`${provider.name} has no chat`);
  return provider.chat;
}
