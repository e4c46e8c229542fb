// The inputs of an embedding request as most providers take them: one text each, so many at once.
import type { EmbedInput, EmbedRequest } from "../contract.ts";
import type { TranslationLog } from "./translation-log.ts";

/** The text of every input. Anything but text is noted as unsupported: a vector without the image is another vector. */
export function toTexts(request: EmbedRequest, log: TranslationLog): readonly string[] {
  return request.inputs.map((input, index) => toText(input, `inputs[${index}]`, log));
}

function toText(input: EmbedInput, field: string, log: TranslationLog): string {
  const texts: string[] = [];
  for (const [index, { content }] of input.parts.entries()) {
    if (content.case === "text") texts.push(content.value.text);
    else log.unsupported(`${field}.parts[${index}]`, "the provider embeds text only");
  }
  if (texts.length > 1) log.adjusted(`${field}.parts`, "the texts of one input are joined by line breaks");
  return texts.join("\n");
}

export type BatchLimits = {
  readonly itemsMax: number;
  /** UTF-8 bytes over all items of one request. One item that is longer goes alone. */
  readonly bytesMax: number;
};

/** The items in their order, cut into lists that one request each can carry. */
export function toBatches<Item>(
  items: readonly Item[],
  limits: BatchLimits,
  bytesOf: (item: Item) => number,
): readonly (readonly Item[])[] {
  const batches: Item[][] = [];
  let bytes = 0;
  for (const item of items) {
    const size = bytesOf(item);
    const batch = batches.at(-1);
    if (batch === undefined || batch.length >= limits.itemsMax || bytes + size > limits.bytesMax) {
      batches.push([item]);
      bytes = size;
    } else {
      batch.push(item);
      bytes += size;
    }
  }
  return batches;
}

export function bytesOfText(text: string): number {
  return Buffer.byteLength(text);
}
