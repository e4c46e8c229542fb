// The owner's side: another replica asks for a call that runs here, or ran.
import { toBinary } from "@bufbuild/protobuf";
import { StreamCompleteResponseSchema } from "../../contract.ts";
import type { CallFailure } from "../../domain/call-failure.ts";
import type { AnswerHolder, AnswerLink, SharedCalls } from "../../domain/shared-calls.ts";
import { toStreamResponse } from "../../encoding/to-stream-response.ts";
import type { OutgoingEvent, StreamSink } from "../ports.ts";
import { frameKinds, toFrame } from "./answer-frames.ts";
import type { Broadcast } from "./broadcast.ts";
import { toFailureBytes, toOutcomeBytes } from "./outcome-bytes.ts";
import { fromQuestionBytes, type Question } from "./question.ts";
import type { ReplayEntry, ReplayStore } from "./replay-store.ts";

export function answerQuestions(shared: SharedCalls, replays: ReplayStore): void {
  shared.serve((bytes, link) => {
    const question = fromQuestionBytes(bytes);
    if (question === undefined) return refuse(link, frameKinds.unknown);
    const begun = replays.expected(question.responseId);
    return begun === undefined ? lookUp(replays, question, link) : answerLater(replays, begun, question, link);
  });
}

function lookUp(replays: ReplayStore, question: Question, link: AnswerLink): AnswerHolder | undefined {
  const entry = replays.byResponseId(question.projectId, question.responseId);
  return entry === undefined ? refuse(link, frameKinds.unknown) : answer(replays, entry, question, link);
}

/** Whoever reads a claim of ours may be faster than the word that it is ours. */
function answerLater(replays: ReplayStore, begun: Promise<void>, question: Question, link: AnswerLink): AnswerHolder {
  let holder: AnswerHolder | undefined;
  let isGone = false;
  const answered = begun.then(() => {
    if (!isGone) holder = lookUp(replays, question, link);
  });
  answered.catch(() => link.end()); // Without a last frame: who asked takes the answer for lost.
  return {
    drained: () => holder?.drained(),
    gone: () => {
      isGone = true;
      holder?.gone();
    },
  };
}

function answer(
  replays: ReplayStore,
  entry: ReplayEntry,
  { want, after }: Question,
  link: AnswerLink,
): AnswerHolder | undefined {
  const reaches = entry.broadcast?.reaches(after) === true;
  if (want === "resume" && !reaches) return refuse(link, frameKinds.expired);
  // A failure that may be retried is no outcome: who asks by its request id tries anew.
  if (want !== "resume" && entry.end !== undefined && !entry.isRemembered) return refuse(link, frameKinds.unknown);
  link.send(toFrame(frameKinds.accepted, Uint8Array.of(entry.end === undefined ? 0 : 1)));
  return want !== "outcome" && reaches && entry.broadcast !== undefined
    ? tellEvents(entry, entry.broadcast, after, link)
    : tellOutcome(replays, entry, link);
}

function refuse(link: AnswerLink, kind: typeof frameKinds.unknown | typeof frameKinds.expired): undefined {
  link.send(toFrame(kind));
  link.end();
}

function tellOutcome(replays: ReplayStore, entry: ReplayEntry, link: AnswerLink): AnswerHolder {
  const leave = replays.wait(entry, (end) => {
    link.send(toFrame(frameKinds.outcome, toOutcomeBytes(end, entry.answerSchema)));
    link.end();
  });
  return { drained() {}, gone: leave };
}

function tellEvents(entry: ReplayEntry, broadcast: Broadcast, after: number, link: AnswerLink): AnswerHolder {
  const reader = new LinkReader(link);
  broadcast.attach(reader, after);
  return {
    drained: () => {
      if (broadcast.drained(reader)) entry.resume();
    },
    gone: () => broadcast.detach(reader),
  };
}

/** A reader at another replica. What was pushed since the last flush leaves as one piece. */
class LinkReader implements StreamSink {
  readonly #link: AnswerLink;
  #frames: Uint8Array[] = [];

  constructor(link: AnswerLink) {
    this.#link = link;
  }

  push(sequence: number, event: OutgoingEvent): void {
    const message = toBinary(StreamCompleteResponseSchema, toStreamResponse(sequence, event));
    this.#frames.push(toFrame(frameKinds.event, message));
  }

  flush(): boolean {
    const frames = this.#frames;
    this.#frames = [];
    return this.#link.send(Buffer.concat(frames));
  }

  succeed(): void {
    this.#end(toFrame(frameKinds.succeeded));
  }

  fail(failure: CallFailure): void {
    this.#end(toFrame(frameKinds.failed, toFailureBytes(failure)));
  }

  #end(last: Uint8Array): void {
    this.#frames.push(last);
    this.flush();
    this.#link.end();
  }
}
