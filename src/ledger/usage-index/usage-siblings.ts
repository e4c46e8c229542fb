// The indexes of the other journals of this gateway, when it runs in several processes: each has its own, and whoever is
// asked asks them all.
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { eventsOf, foundOf, rowsOf } from "./answers.ts";
import type { WorkerQuestion } from "./index-worker.ts";
import { listOfShard, mergeEvents, mergeSums } from "./merge-answers.ts";

export type Ask = (question: WorkerQuestion) => Promise<unknown>;

/** One journal's index. */
export type UsageShard = { readonly shard: number; readonly ask: Ask };

export type UsageSiblings = {
  /** Number of the own journal. */
  readonly own: number;
  others(): Promise<readonly UsageShard[]>;
};

const startingRetryMs = 1_000;

/** Sums and lists over all journals: whole or not at all. Rejects with `CallFailure` when one cannot be asked just now. */
export async function askAll(
  question: Extract<WorkerQuestion, { readonly kind: "sum" | "list" }>,
  siblings: UsageSiblings | undefined,
  own: Ask,
): Promise<unknown> {
  if (siblings === undefined) return own(question);
  const shards = await allShards(siblings, own);
  const answers = await Promise.all(
    shards.map(async ({ shard, ask }) => ({ shard, answer: await ask(toShard(question, shard)) })),
  ).catch(notWhole);
  return question.kind === "sum"
    ? mergeSums(
        answers.map(({ shard, answer }) => ({ shard, rows: rowsOf(answer) })),
        question.query,
      )
    : mergeEvents(
        answers.map(({ shard, answer }) => ({ shard, rows: eventsOf(answer) })),
        question.query,
      );
}

export async function allShards(siblings: UsageSiblings, own: Ask): Promise<readonly UsageShard[]> {
  return [{ shard: siblings.own, ask: own }, ...(await siblings.others().catch(notWhole))];
}

/** Number of the journal that has an event; `undefined`: none has. Rejects with `CallFailure` when one cannot be asked. */
export async function shardWith(eventId: string, siblings: UsageSiblings, own: Ask): Promise<number | undefined> {
  const shards = await allShards(siblings, own);
  const found = await Promise.all(
    shards.map(async ({ shard, ask }) => ({ shard, answer: foundOf(await ask({ kind: "find", eventId })) })),
  ).catch(notWhole);
  return found.find(({ answer }) => answer !== undefined)?.shard;
}

function toShard(question: Parameters<typeof askAll>[0], shard: number): WorkerQuestion {
  return question.kind === "sum" ? question : { kind: "list", query: listOfShard(question.query, shard) };
}

/** A sum without a part of the calls would look like the truth. */
function notWhole(error: unknown): never {
  if (error instanceof CallFailure) throw error;
  throw new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the usage of a worker that starts or ends cannot be read", {
    retryAfterMs: startingRetryMs,
    cause: error,
  });
}
