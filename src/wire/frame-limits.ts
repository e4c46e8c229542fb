/** How long a stream's events may be. From the config; the decoders keep no limit of their own. */
export type FrameLimits = {
  /** Most bytes of one event, of one line of text, and so of what a decoder holds between two chunks. */
  readonly eventBytesMax: number;
};
