/** Ends a command with one line for the operator. Never a secret in the message. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** 1: it did not work. 2: it was called wrongly. */
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { readonly exitCode?: 1 | 2; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}
