export type PublisherState =
  | { readonly kind: "connecting" }
  | { readonly kind: "publishing" }
  /** The server or the stream is unfit: looked at again every few seconds. */
  | { readonly kind: "refused"; readonly because: string };

export type PublisherFigures = {
  /** Acknowledged, duplicates included. */
  readonly published: number;
  /** Acknowledged as already there. */
  readonly duplicates: number;
  /** Events that had to be sent again. */
  readonly retries: number;
};
