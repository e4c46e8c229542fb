import { create } from "@bufbuild/protobuf";
import { type TokenLogprob, TokenLogprobSchema } from "../../contract.ts";
import { asArray, asNumber, asObject, asString } from "../../wire/json.ts";

/** `{ text, token_ids, logprobs }`, one or a list: the text stands for all its tokens, so it is told with the first. */
export function toLogprobs(raw: unknown): readonly TokenLogprob[] {
  return (asArray(raw) ?? [raw]).flatMap((item) => {
    const entry = asObject(item) ?? {};
    const ids = asArray(entry["token_ids"]) ?? [];
    return (asArray(entry["logprobs"]) ?? []).flatMap((value, position) => {
      const logprob = asNumber(value);
      if (logprob === undefined) return [];
      const token = position === 0 ? (asString(entry["text"]) ?? "").toWellFormed() : "";
      const made = create(TokenLogprobSchema, { token, logprob });
      const tokenId = asNumber(ids[position]);
      if (tokenId !== undefined && Number.isInteger(tokenId)) made.tokenId = tokenId;
      return [made];
    });
  });
}
