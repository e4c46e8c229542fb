/** What a command may touch: the process passes its own, tests pass theirs. */
export type CommandIo = {
  /** The result of the command. */
  readonly out: (text: string) => void;
  /** Everything that is said beside the result. */
  readonly err: (text: string) => void;
  /** Whether `err` is a terminal, so that progress is worth showing. */
  readonly isTerminal: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  /** Aborted when the command is to end: SIGINT, SIGTERM. */
  readonly signal: AbortSignal;
};

export function processIo(): CommandIo {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort());
  // A reader that goes away (`… | head`) ends the command quietly.
  process.stdout.on("error", () => ending.abort());
  return {
    out: (text) => {
      process.stdout.write(text);
    },
    err: (text) => {
      process.stderr.write(text);
    },
    isTerminal: process.stderr.isTTY === true,
    environment: process.env,
    nowMs: () => Date.now(),
    signal: ending.signal,
  };
}
