// The thread that owns the usage index: reads the journal's segments behind the gateway's back, and answers questions.
// Every question carries how far the journal was durable when it was asked; the thread reads that far first, so that an
// answer has every call whose caller had its answer before. Questions are answered in turn, a step of each.
import { readlinkSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { basename } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { recordType } from "../journal/frame.ts";
import { journalFiles } from "../journal/journal-files.ts";
import { readEventRecord } from "../journal/record.ts";
import { scanSegment } from "../journal/scan-segment.ts";
import type { DurableSegment } from "../ledger.ts";
import { type IndexCursor, IndexDatabase, type PlacedEvent } from "./index-database.ts";
import type { ListQuery, SumQuery, TailQuery } from "./index-query.ts";
import { toIndexedEvent } from "./indexed-event.ts";
import { QuestionFailure, type QuestionFailureKind } from "./question-failure.ts";
import { QuestionTurns } from "./question-turns.ts";

export type WorkerQuestion =
  | { readonly kind: "catch-up" }
  | { readonly kind: "sum"; readonly query: SumQuery }
  | { readonly kind: "list"; readonly query: ListQuery }
  | { readonly kind: "tail"; readonly query: TailQuery }
  | { readonly kind: "find"; readonly eventId: string };

export type WorkerRequest =
  | {
      readonly kind: "ask";
      readonly id: number;
      readonly segments: readonly DurableSegment[];
      readonly question: WorkerQuestion;
    }
  /** Nobody waits for the answer any more. */
  | { readonly kind: "give-up"; readonly id: number };

export type WorkerReply =
  | { readonly id: number; readonly kind: "answer"; readonly answer: unknown; readonly ordinal: number }
  | { readonly id: number; readonly kind: "refusal"; readonly because: QuestionFailureKind; readonly source: string }
  | { readonly id: number; readonly kind: "failure"; readonly message: string };

/** Events of one transaction. */
const batchMax = 4096;
const corrupt = new Set([11, 26]); // SQLITE_CORRUPT, SQLITE_NOTADB

yieldToServing();

const path = String(workerData);
let database = IndexDatabase.open(path);
let reading: Promise<void> = Promise.resolve();
const turns = new QuestionTurns();

parentPort?.on("message", (request: WorkerRequest) => {
  if (request.kind === "give-up") turns.giveUp(request.id);
  else void reply(request.id, request.segments, request.question);
});

async function reply(id: number, segments: readonly DurableSegment[], question: WorkerQuestion): Promise<void> {
  const send = (message: WorkerReply): void => parentPort?.postMessage(message);
  try {
    const answer = await answerTo(id, segments, question);
    send({ id, kind: "answer", answer, ordinal: database.cursor?.ordinal ?? 0 });
  } catch (error) {
    if (error instanceof QuestionFailure) send({ id, kind: "refusal", because: error.kind, source: error.source });
    else send({ id, kind: "failure", message: error instanceof Error ? error.message : String(error) });
  }
}

/** A database that proves broken is made again, once, for all who ask. */
async function answerTo(id: number, segments: readonly DurableSegment[], question: WorkerQuestion): Promise<unknown> {
  const used = database;
  try {
    return await answerFrom(id, segments, question);
  } catch (error) {
    if (used === database) {
      if (!isCorrupt(error)) throw error;
      used.close();
      database = IndexDatabase.openAnew(path);
    }
    return answerFrom(id, segments, question);
  }
}

async function answerFrom(id: number, segments: readonly DurableSegment[], question: WorkerQuestion): Promise<unknown> {
  reading = reading.catch(() => undefined).then(() => catchUp(segments)); // Who waited before was told of the failure.
  await reading;
  switch (question.kind) {
    case "catch-up":
      return database.endPlace();
    case "sum":
      return turns.take(id, () => database.sum(question.query));
    case "list":
      return turns.take(id, () => database.list(question.query));
    case "tail":
      return turns.take(id, () => database.tail(question.query));
    case "find":
      return database.find(question.eventId);
  }
}

async function catchUp(segments: readonly DurableSegment[]): Promise<void> {
  const newest = segments.at(-1);
  if (newest !== undefined && isAnotherJournal(segments, newest)) database.restartOrdinals();
  for (const segment of segments) {
    const cursor = database.cursor;
    if (cursor !== undefined && segment.ordinal < cursor.ordinal) continue;
    const from = cursor?.ordinal === segment.ordinal ? cursor.offset : 0;
    if (from < segment.bytes || cursor?.ordinal !== segment.ordinal) await read(segment, from).catch(passOverDeleted);
  }
}

/** A segment that was deleted after the question was asked: a journal near its limit does not wait for ever. */
function passOverDeleted(error: unknown): void {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
  throw error;
}

/** The folder of the journal was emptied by hand: its ordinals began anew, or name the segment of another life. */
function isAnotherJournal(segments: readonly DurableSegment[], newest: DurableSegment): boolean {
  const cursor = database.cursor;
  if (cursor === undefined) return false;
  const same = segments.find((segment) => segment.ordinal === cursor.ordinal);
  return newest.ordinal < cursor.ordinal || (same !== undefined && same.bootId !== cursor.bootId);
}

async function read(segment: DurableSegment, from: number): Promise<void> {
  const { ordinal, bootId } = segment;
  const cursorAt = (offset: number): IndexCursor => ({ ordinal, bootId, offset });
  let events: PlacedEvent[] = [];
  const { end } = await scanSegment(
    journalFiles,
    segment.path,
    from,
    (frame, offset) => {
      if (events.length >= batchMax) {
        database.apply(events, cursorAt(offset));
        events = [];
      }
      const record = frame.type === recordType.final ? readEventRecord(frame.payload) : undefined;
      // A copy: the message is a view of a buffer that is filled again, and `slice` of a Buffer is one, too.
      if (record !== undefined) {
        events.push({ ordinal, offset, event: toIndexedEvent(Buffer.from(record.message)) });
      }
      return undefined;
    },
    segment.bytes,
  );
  database.apply(events, cursorAt(end));
}

function isCorrupt(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && corrupt.has(Number(error.errcode) & 0xff);
}

/** On Linux a thread has a priority of its own: calls that are being served come before the index of those that were. */
function yieldToServing(): void {
  try {
    const thread = Number(basename(readlinkSync("/proc/thread-self")));
    setPriority(thread, constants.priority.PRIORITY_LOW);
  } catch {
    // Another system, or no right to: the thread then competes as an equal, which costs latency and nothing else.
  }
}
