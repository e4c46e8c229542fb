/** What reading an answer depends on beside the answer itself. Everything else is read wherever it stands, from any server. */
export type AnswerRules = {
  /** `Provider.name`: stamped on opaque state, safety findings and metadata. */
  readonly providerName: string;
  /** The server leaves `<think>…</think>` in the text. */
  readonly thinkTags: boolean;
};
