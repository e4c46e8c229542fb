import { Corrector, type CorrectorOptions } from "../../ledger/corrector.ts";
import type { UsageReader } from "../../ledger/usage-index/usage-reader.ts";
import { toCorrection } from "../../metering/to-correction.ts";
import { type AttemptPrices, priceAttempt } from "./price-attempt.ts";

export type CorrectorParts = Pick<CorrectorOptions, "ledger" | "newId" | "now"> & {
  /** Of the same journal. */
  readonly reader: Pick<UsageReader, "find">;
  readonly prices: AttemptPrices;
};

/** What writes corrections into one journal, by the prices of the catalogue. */
export function createCorrector({ reader, prices, ...rest }: CorrectorParts): Corrector {
  return new Corrector({
    ...rest,
    find: (eventId) => reader.find(eventId),
    toCorrection: (before, request, nowMs) =>
      toCorrection(before, request, nowMs, (event, attempt, usage, atMs) =>
        priceAttempt(event, attempt, usage, atMs, prices),
      ),
  });
}
