// What a log line says of an error. An error of ours has a message that is safe by rule (no content, no secret); a
// foreign one may quote what it choked on (`Unexpected token 's', "sk-…" is not valid JSON`), so it only says its name,
// its code and where it happened.

/** Errors whose messages are ours. */
const ownNames: ReadonlySet<string> = new Set([
  "CallFailure",
  "ProviderFailure",
  "FramingError",
  "ConfigProblems",
  "CommandError",
]);

/** The name of an error, given in its place. */
const errorName = /^[A-Z][A-Za-z]{0,40}(?:Error|Failure|Problems)$/;

const causesMax = 4;
const framesMax = 12;
const messageLengthMax = 500;

export type LoggedError = {
  readonly type: string;
  readonly message?: string | undefined;
  /** Node's error code, e.g. "ECONNREFUSED". */
  readonly code?: string | undefined;
  /** Kind of a `ProviderFailure`. */
  readonly kind?: string | undefined;
  /** Function and place of each frame, innermost first. */
  readonly at?: readonly string[] | undefined;
  readonly cause?: LoggedError | undefined;
};

export function toLoggedError(error: unknown, depth = 0): LoggedError {
  if (typeof error === "string" && errorName.test(error)) return { type: error };
  if (!(error instanceof Error)) return { type: typeof error };
  return {
    type: error.name.slice(0, messageLengthMax),
    message: isSpeakable(error) ? error.message.slice(0, messageLengthMax) : undefined,
    code: textField(error, "code"),
    kind: ownNames.has(error.name) ? textField(error, "kind") : undefined,
    at: framesOf(error),
    cause: error.cause === undefined || depth >= causesMax ? undefined : toLoggedError(error.cause, depth + 1),
  };
}

/** Ours, or the operating system's, which names files and addresses. */
function isSpeakable(error: Error): boolean {
  return ownNames.has(error.name) || ("syscall" in error && "errno" in error);
}

function textField(error: Error, field: string): string | undefined {
  const value: unknown = Reflect.get(error, field);
  return typeof value === "string" && /^[A-Za-z0-9_.-]{1,64}$/.test(value) ? value : undefined;
}

function framesOf(error: Error): readonly string[] {
  const lines = (error.stack ?? "").split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line.startsWith("at ") && /:\d+:\d+\)?$/.test(line))
    .slice(0, framesMax)
    .map((line) => line.slice(3, messageLengthMax));
}
