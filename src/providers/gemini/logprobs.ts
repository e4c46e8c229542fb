import { create } from "@bufbuild/protobuf";
import { type TokenLogprob, TokenLogprobSchema, TopLogprobSchema } from "../../contract.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";

/** `logprobsResult`: the chosen tokens, and for each the likeliest ones. */
export function toLogprobs(value: unknown): readonly TokenLogprob[] {
  const result = asObject(value);
  const tops = asArray(result?.["topCandidates"]) ?? [];
  return (asArray(result?.["chosenCandidates"]) ?? []).map((chosen, index) => {
    const candidates = asArray(asObject(tops[index])?.["candidates"]) ?? [];
    const topLogprobs = candidates.map((top) => create(TopLogprobSchema, toToken(asObject(top) ?? {})));
    return create(TokenLogprobSchema, { ...toToken(asObject(chosen) ?? {}), topLogprobs });
  });
}

function toToken(raw: JsonRecord) {
  const tokenId = asNumber(raw["tokenId"]);
  return {
    token: asString(raw["token"]) ?? "",
    logprob: asNumber(raw["logProbability"]) ?? 0,
    ...(tokenId !== undefined && { tokenId }),
  };
}
