// JSON lines, written in groups: a line goes into a buffer, and the buffer to the descriptor when it is full, when a short
// time has passed, and at the end. The only importer of pino.
import { type DestinationStream, type Logger, pino } from "pino";
import type { Config } from "../config/config.ts";
import { toLoggedError } from "./log-error.ts";

export type LogLevel = Config["telemetry"]["logLevel"];

export type LogOptions = {
  readonly level: LogLevel;
  /** Descriptor: 1 for the gateway, 2 for commands, whose standard output is their result. */
  readonly descriptor: 1 | 2;
};

export interface Log {
  readonly logger: Logger;
  /** Writes a line that is already JSON and ends in "\n". */
  writeLine(line: string): void;
  /** Whether lines of level info are wanted. */
  readonly isInfoEnabled: boolean;
  /** Lines that were dropped because the reader is slow. */
  readonly dropped: number;
  /** Writes what is buffered, now. */
  flush(): void;
  /** Stops the periodic flush and writes what is buffered. */
  close(): void;
}

/**
 * Lines of calls are gathered here and handed to the destination together: a write costs two switches of the thread, whatever
 * it carries, and sonic-boom measures everything it holds with each line that it is given (90 kB of garbage a call).
 */
const gatheredLengthMax = 32 * 1024;
/** More than is handed over at once: what the destination holds leaves when it is told to, and at the end in this thread. */
const heldBytesMax = 200 * 1024;
/** Past this many bytes that nobody reads, lines are dropped and counted. */
const backlogBytesMax = 16 * 1024 * 1024;
/** Longer than what is gathered, so that it leaves in one piece. */
const writeBytesMax = 256 * 1024;
const flushIntervalMs = 250;

/** Names of fields whose values never stand in a line, at the top and up to two levels below. */
const secretFields = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "set-cookie",
  "x-api-key",
  "x-goog-api-key",
  "api-key",
  "apiKey",
  "api_key",
  "apiKeys",
  "secret",
  "secretAccessKey",
  "secret_access_key",
  "sessionToken",
  "session_token",
  "token",
  "accessToken",
  "access_token",
  "password",
  "credential",
  "credentials",
  "body",
  "content",
  "messages",
  "prompt",
  "text",
  "providerMessage",
] as const;

export function createLog(options: LogOptions): Log {
  const destination = pino.destination({
    dest: options.descriptor,
    minLength: heldBytesMax,
    maxLength: backlogBytesMax,
    maxWrite: writeBytesMax,
    sync: false,
  });
  let dropped = 0;
  destination.on("drop", () => {
    dropped += 1;
  });
  let lines: string[] = [];
  let gatheredLength = 0;
  const handOver = () => {
    if (lines.length === 0) return;
    destination.write(lines.join(""));
    lines = [];
    gatheredLength = 0;
  };
  const release = () => {
    handOver();
    destination.flush();
  };
  const writeLine = (line: string) => {
    lines.push(line);
    gatheredLength += line.length;
    if (gatheredLength >= gatheredLengthMax) release();
  };
  const timer = setInterval(release, flushIntervalMs);
  timer.unref();
  const flush = () => {
    handOver();
    flushNow(destination);
  };
  process.once("exit", flush);
  const logger = createLogger(options.level, { write: writeLine }); // The same way, so that order is kept.
  return {
    logger,
    writeLine,
    isInfoEnabled: logger.isLevelEnabled("info"),
    get dropped() {
      return dropped;
    },
    flush,
    close() {
      clearInterval(timer);
      process.off("exit", flush);
      flush();
    },
  };
}

/** A logger with our redaction over any destination. */
export function createLogger(level: LogLevel, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      redact: {
        paths: secretFields.flatMap((field) => [`["${field}"]`, `*["${field}"]`, `*.*["${field}"]`]),
        censor: "[redacted]",
      },
      serializers: { err: toLoggedError, error: toLoggedError, cause: toLoggedError },
    },
    destination,
  );
}

function flushNow(destination: { flushSync(): void }): void {
  try {
    destination.flushSync();
  } catch {
    // The descriptor is closed or was never opened: there is nobody left to tell.
  }
}
