import { create } from "@bufbuild/protobuf";
import { type TokenLogprob, TokenLogprobSchema, type TopLogprob, TopLogprobSchema } from "../../contract.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";

/** `choice.logprobs` in OpenAI's form, or in the older one of completions (`tokens` beside `token_logprobs`: Together). */
export function toLogprobs(raw: unknown): readonly TokenLogprob[] {
  const logprobs = asObject(raw);
  if (logprobs === undefined) return [];
  const content = asArray(logprobs["content"]);
  return content === undefined ? fromColumns(logprobs) : toTokenLogprobs(content);
}

/** A list of `{ token, logprob, bytes, top_logprobs }`, as chat completions and Responses have it. */
export function toTokenLogprobs(list: readonly unknown[]): readonly TokenLogprob[] {
  return list.flatMap((item) => {
    const raw = asObject(item);
    const base = raw === undefined ? undefined : toTopLogprob(raw);
    if (raw === undefined || base === undefined) return [];
    const { token, logprob, tokenBytes } = base;
    const topLogprobs = (asArray(raw["top_logprobs"]) ?? []).flatMap((top) => toTopLogprob(asObject(top) ?? {}) ?? []);
    return [create(TokenLogprobSchema, { token, logprob, tokenBytes, topLogprobs })];
  });
}

function toTopLogprob(raw: JsonRecord): TopLogprob | undefined {
  const logprob = asNumber(raw["logprob"]);
  if (logprob === undefined) return undefined;
  const token = (asString(raw["token"]) ?? "").toWellFormed();
  const bytes = asArray(raw["bytes"])?.map((byte) => asNumber(byte) ?? 0);
  return create(TopLogprobSchema, { token, logprob, tokenBytes: new Uint8Array(bytes ?? []) });
}

function fromColumns(logprobs: JsonRecord): readonly TokenLogprob[] {
  const values = asArray(logprobs["token_logprobs"]) ?? [];
  return (asArray(logprobs["tokens"]) ?? []).flatMap((token, position) => {
    const logprob = asNumber(values[position]);
    return logprob === undefined ? [] : [create(TokenLogprobSchema, { token: asString(token) ?? "", logprob })];
  });
}
