import type { CompleteRequest } from "../contract.ts";
import { weighRequest } from "./weigh-request.ts";

/** Longer texts are estimated from their first part: a tokenizer run of seconds would stop every other call. */
const limits = { tokenizedLengthMax: 400_000 } as const;

/**
 * Counts the input tokens of a request with OpenAI's o200k_base tokenizer, for CountTokens where the provider does not
 * count: exact for the text of OpenAI models since GPT-4o, within about 20 % for others. The tokenizer (2 MB) is loaded
 * with the first count.
 */
export async function countInputTokens(request: CompleteRequest): Promise<number> {
  const { countTokens } = await import("gpt-tokenizer/encoding/o200k_base");
  let lengthLeft: number = limits.tokenizedLengthMax;
  return weighRequest(request, (text) => {
    if (text === "") return 0;
    const head = text.slice(0, Math.max(lengthLeft, 1));
    lengthLeft -= head.length;
    // Texts may hold what looks like a control token, e.g. "<|endoftext|>": to the provider it is text.
    const tokens = countTokens(head, { disallowedSpecial: new Set() });
    return head.length === text.length ? tokens : Math.ceil((tokens * text.length) / head.length);
  });
}
