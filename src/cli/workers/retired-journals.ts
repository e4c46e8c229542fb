// Journals that no worker writes any more: of a gateway that ran with more workers, or in one process. Their lost calls are
// closed, their events still go to NATS, and questions about usage are answered from them, too.
import { join } from "node:path";
import { createCatalogue } from "../../catalogue/create-catalogue.ts";
import type { Config } from "../../config/config.ts";
import { type CorrectionAnswer, toCorrectionAnswer } from "../../ledger/correction-answer.ts";
import { type LedgerLog, openLedger, type UsageLedger } from "../../ledger/ledger.ts";
import type { Publisher } from "../../ledger/publisher/publisher.ts";
import { UsageReader } from "../../ledger/usage-index/usage-reader.ts";
import { createUuidV7Source } from "../../pipeline/uuid-v7.ts";
import type { Log } from "../../telemetry/logger.ts";
import type { CredentialParts } from "../../upstream/credentials/credential-parts.ts";
import { createTextFetcher } from "../../upstream/fetch-text.ts";
import { createCorrector } from "../compose/create-corrector.ts";
import { createTargets } from "../compose/create-targets.ts";
import { openPublisher } from "../compose/open-publisher.ts";
import { createPooledRandom } from "../compose/pooled-random.ts";
import type { AttemptPrices } from "../compose/price-attempt.ts";
import { readPriceOverrides } from "../compose/read-price-overrides.ts";
import { repriceLost } from "../compose/reprice-lost.ts";
import type { JournalFolder } from "./find-retired.ts";

export type RetiredJournal = {
  readonly shard: number;
  readonly ledger: UsageLedger;
  readonly publisher: Publisher | undefined;
  readonly reader: UsageReader;
  /** `request` in the binary form of the contract. */
  correct(request: Uint8Array): Promise<CorrectionAnswer>;
  close(publisherDrainMs: number): Promise<void>;
};

type RetiredOptions = {
  readonly config: Config;
  readonly instance: string;
  readonly secrets: CredentialParts;
  readonly log: LedgerLog;
  readonly onPoisoned: (error: Error) => void;
};

const newId = createUuidV7Source(createPooledRandom());

/** Rejects with an `Error` of one line when one cannot be opened: what is in it is owed to somebody. */
async function openRetired({ shard, folder }: JournalFolder, options: RetiredOptions): Promise<RetiredJournal> {
  const { config, secrets, log } = options;
  const instance = shard === 0 ? options.instance : `${options.instance}-${shard}`;
  const catalogue = createCatalogue({ overrides: readPriceOverrides(config) });
  const { providers } = await createTargets(config, catalogue);
  const prices: AttemptPrices = { config, providers, pricer: catalogue };
  const ledger = await openLedger({
    folder: join(folder, "journal"),
    instance,
    ...config.usage.journal,
    delivery: config.usage.nats === undefined ? "keep" : "outbox",
    reprice: (start, usage) => repriceLost(start, usage, prices),
    onPoisoned: options.onPoisoned,
    log,
    now: Date.now,
  });
  const publisher = await openPublisher(config, ledger, instance, log, secrets);
  const reader = new UsageReader(ledger, { path: join(folder, "usage-index.sqlite") });
  const corrector = createCorrector({ ledger, reader, prices, newId, now: Date.now });
  return {
    shard,
    ledger,
    publisher,
    reader,
    correct: (request) => toCorrectionAnswer((asked) => corrector.correct(asked), request),
    async close(publisherDrainMs) {
      await publisher?.close(publisherDrainMs);
      await reader.close();
      await ledger.close();
    },
  };
}

export type AllRetiredOptions = {
  readonly config: Config;
  readonly folders: readonly JournalFolder[];
  readonly instance: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly onPoisoned: () => void;
};

export type AllRetired = {
  readonly journals: readonly RetiredJournal[];
  close(publisherDrainMs: number): Promise<void>;
};

/** Opens them all, or none: rejects with an `Error` of one line when one cannot be had. */
export async function openAllRetired(options: AllRetiredOptions): Promise<AllRetired> {
  const { config, folders, instance, environment, log, onPoisoned } = options;
  const fetcher = createTextFetcher();
  const journals: RetiredJournal[] = [];
  const close = async (publisherDrainMs: number): Promise<void> => {
    for (const journal of journals) await journal.close(publisherDrainMs);
    await fetcher.close();
  };
  const { logger } = log;
  const secrets: CredentialParts = { nowMs: Date.now, env: environment, fetchText: fetcher.fetchText, onRetired() {} };
  const ledgerLog: LedgerLog = {
    warn: (message, facts) => logger.warn(facts, message),
    info: (message, facts) => logger.info(facts, message),
  };
  try {
    for (const folder of folders) {
      journals.push(await openRetired(folder, { config, instance, secrets, log: ledgerLog, onPoisoned }));
      logger.info({ folder: folder.folder }, "a journal without a worker is kept, published and asked");
    }
    return { journals, close };
  } catch (error) {
    await close(0);
    throw error;
  }
}
