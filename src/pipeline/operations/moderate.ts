import { create } from "@bufbuild/protobuf";
import { type ModerateRequest, type ModerateResponse, ModerateResponseSchema, UsageSchema } from "../../contract.ts";
import type { Moderation } from "../../domain/operation-results.ts";
import type { Operation } from "../operation.ts";

export const moderate: Operation<ModerateRequest, Moderation, ModerateResponse> = {
  of: (provider) => provider.moderate,
  inputField: "parts",
  inputs: (request) => request.parts,
  // Most providers moderate for nothing: the second usage is complete where tokens have no price.
  unitsMost: (_request, inputTokens) => [create(UsageSchema, { inputTokens, outputTokens: 0 }), create(UsageSchema)],
  join: (results) => ({
    flagged: results.some(({ flagged }) => flagged),
    findings: results.flatMap(({ findings }) => findings),
  }),
  toResponse: ({ flagged, findings }, info) =>
    create(ModerateResponseSchema, { flagged, findings: [...findings], info }),
};
