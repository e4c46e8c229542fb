import { toBinary } from "@bufbuild/protobuf";
import type { AuditTrail } from "../../admin/audit/audit-trail.ts";
import { type CorrectUsageRequest, CorrectUsageRequestSchema, type CorrectUsageResponse } from "../../contract.ts";
import { fromCorrectionAnswer, toCorrectionAnswer } from "../../ledger/correction-answer.ts";
import { type Corrector, eventNotFound } from "../../ledger/corrector.ts";
import type { UsageReader } from "../../ledger/usage-index/usage-reader.ts";
import { shardWith } from "../../ledger/usage-index/usage-siblings.ts";
import type { UsageCommands } from "../../server/services.ts";
import type { SharedParts } from "./shared-parts.ts";

export type CorrectionsParts = {
  /** Of the own journal. */
  readonly corrector: Corrector;
  readonly reader: Pick<UsageReader, "ask">;
  /** The other journals of this gateway; `undefined`: there are none. */
  readonly shared: SharedParts["usage"] | undefined;
  readonly audit: AuditTrail;
};

/** Corrects events wherever they stand among the journals of this gateway, and puts the act on record. */
export function openCorrections({ corrector, reader, shared, audit }: CorrectionsParts): UsageCommands {
  shared?.onCorrect((request) => toCorrectionAnswer((asked) => corrector.correct(asked), request));

  async function correct(request: CorrectUsageRequest): Promise<CorrectUsageResponse> {
    if (shared === undefined) return corrector.correct(request);
    const shard = await shardWith(request.eventId, shared.siblings, (question) => reader.ask(question));
    if (shard === undefined) throw eventNotFound(request.eventId);
    if (shard === shared.siblings.own) return corrector.correct(request);
    return fromCorrectionAnswer(await shared.correctIn(shard, toBinary(CorrectUsageRequestSchema, request)));
  }

  return {
    async correct(caller, request) {
      const response = await correct(request);
      if (!request.validateOnly) {
        // Also of a repeat: the gateway may have ended between the first correction and its record.
        const resource = `usage_event/${request.eventId}`;
        await audit.act({ kind: "usage.corrected", caller, resource, reason: "", fields: fieldsOf(request) });
      }
      return response;
    },
  };
}

/** What the request changes, by the names of the contract. */
function fieldsOf({ usage, serviceTier }: CorrectUsageRequest): readonly string[] {
  return [...(usage === undefined ? [] : ["usage"]), ...(serviceTier === "" ? [] : ["service_tier"]), "cost"];
}
