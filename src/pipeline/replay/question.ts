// What a replica asks of the owner of a call.

export type Question = {
  readonly projectId: string;
  readonly responseId: string;
  /**
   * `outcome`: how it ends. `events`: its events from the first on, or, where there are none any more, how it ends.
   * `resume`: the events after `after`.
   */
  readonly want: "outcome" | "events" | "resume";
  readonly after: number;
};

export function toQuestionBytes(question: Question): Uint8Array {
  return Buffer.from(JSON.stringify(question));
}

/** `undefined`: not a question of ours. */
export function fromQuestionBytes(bytes: Uint8Array): Question | undefined {
  let read: Partial<Record<keyof Question, unknown>>;
  try {
    read = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
  const { projectId, responseId, want, after } = read ?? {};
  const isWhole = typeof projectId === "string" && typeof responseId === "string" && typeof after === "number";
  if (!isWhole || (want !== "outcome" && want !== "events" && want !== "resume")) return undefined;
  return { projectId, responseId, want, after };
}
