import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CompleteResponseSchema } from "../../contract.ts";
import type { AnswerHolder, AnswerLink, SharedCalls } from "../../domain/shared-calls.ts";
import { FrameReader, frameKinds } from "./answer-frames.ts";
import { answerQuestions } from "./answer-questions.ts";
import { type Question, toQuestionBytes } from "./question.ts";
import { defaultReplayLimits, ReplayStore } from "./replay-store.ts";

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const call = { projectId: "p", requestId: "q", responseId: "r", digest: "d", streaming: false, resumable: false };
const question: Question = { projectId: "p", responseId: "r", want: "outcome", after: 0 };

/** A replica that is asked; what it says, as kinds of frames. */
function replica() {
  const replays = new ReplayStore(defaultReplayLimits, clock);
  let ask: Parameters<SharedCalls["serve"]>[0] | undefined;
  const shared: Pick<SharedCalls, "serve"> = { serve: (answer) => (ask = answer) };
  answerQuestions(shared as SharedCalls, replays);
  const said: number[] = [];
  const frames = new FrameReader(1 << 20);
  const link: AnswerLink = {
    send: (bytes) => {
      said.push(...frames.push(bytes).map(({ kind }) => kind));
      return true;
    },
    end: () => said.push(0),
  };
  const put = (asked: Question): AnswerHolder | undefined => ask?.(toQuestionBytes(asked), link);
  return { replays, said, put };
}

/** A replica whose link takes nothing. */
function faulty() {
  const replays = new ReplayStore(defaultReplayLimits, clock);
  let answer: Parameters<SharedCalls["serve"]>[0] | undefined;
  const shared: Pick<SharedCalls, "serve"> = { serve: (one) => (answer = one) };
  answerQuestions(shared as SharedCalls, replays);
  const ends: number[] = [];
  const link: AnswerLink = {
    send: () => {
      throw new Error("a fault");
    },
    end: () => ends.push(0),
  };
  return { replays, ends, ask: () => answer?.(toQuestionBytes(question), link) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the owner of a call that is asked for", () => {
  it("does not deny a call whose claim it has not heard of yet", async () => {
    const { replays, said, put } = replica();
    replays.expect("r");
    put(question);
    await settled();
    expect(said).toEqual([]);
    const entry = replays.begin(call);
    await settled();
    expect(said).toEqual([frameKinds.accepted]);
    replays.ended(entry, { kind: "response", response: create(CompleteResponseSchema) });
    expect(said).toEqual([frameKinds.accepted, frameKinds.outcome, 0]);
  });

  it("says that it does not know a call that did not begin, or one of another project", async () => {
    const { replays, said, put } = replica();
    replays.expect("r");
    put(question);
    replays.unexpect("r");
    await settled();
    expect(said).toEqual([frameKinds.unknown, 0]);
    replays.begin(call);
    put({ ...question, projectId: "other" });
    expect(said.slice(2)).toEqual([frameKinds.unknown, 0]);
  });

  it("tells nobody who has left meanwhile", async () => {
    const { replays, said, put } = replica();
    replays.expect("r");
    put(question)?.gone();
    replays.begin(call);
    await settled();
    expect(said).toEqual([]);
  });

  it("ends the link of a question whose answer it cannot give, and nothing else", async () => {
    const { replays, ends, ask } = faulty();
    replays.expect("r");
    ask();
    replays.begin(call);
    await settled();
    expect(ends).toEqual([0]);
  });
});
