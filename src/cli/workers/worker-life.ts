// One life of one worker process, from fork to exit.
import { type ChildProcess, fork } from "node:child_process";
import type { Handlers } from "./channel.ts";
import { Channel, peerOf } from "./channel.ts";
import type { PrimaryAsks, PrimaryNews, WorkerAsks, WorkerNews, WorkerStart } from "./protocol.ts";
import { releaseHandles } from "./release-handles.ts";
import type { PrimaryChannel } from "./worker-channel.ts";

export type WorkerExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type WorkerLifeOptions = {
  readonly start: WorkerStart;
  readonly answer: Handlers<WorkerAsks, WorkerNews>["answer"];
  readonly hear: Pick<Handlers<WorkerAsks, WorkerNews>["hear"], "closed" | "slotsReturned">;
  /** Whole lines of its standard output. */
  readonly onLines: (lines: string) => void;
};

/**
 * For glibc (mallopt(3)): one arena instead of one for each of V8's and libuv's threads, each of which keeps what it once
 * needed. Some 30 MB less after a load, at the same CPU (docs/performance.md). It is read when a process starts, so that only a
 * parent can say it; what the operator has set stands.
 */
const frugalAllocation = { MALLOC_ARENA_MAX: "1" } as const;

/** A line without an end is passed on when it is this long. */
const lineLengthMax = 1 << 20;

export class WorkerLife {
  readonly worker: number;
  readonly channel: PrimaryChannel;
  /** Resolves when it takes connections; rejects with a line for the operator when it cannot start. */
  readonly ready: Promise<void>;
  /** Also when no process came to be: without code and signal. */
  readonly exited: Promise<WorkerExit>;
  readonly #child: ChildProcess;

  constructor(options: WorkerLifeOptions) {
    this.worker = options.start.worker;
    const child = fork(new URL("./worker-process.ts", import.meta.url), {
      env: { ...frugalAllocation, ...process.env },
      serialization: "advanced",
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    this.#child = child;
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        releaseHandles(child);
        resolve({ code, signal });
      });
      // Of a process that could not be started there is no "exit". Others go on, or have one: a signal that was not sent.
      child.on("error", () => {
        if (child.pid === undefined) resolve({ code: null, signal: null });
      });
    });
    let onReady: () => void = () => {};
    let onFailed: (error: Error) => void = () => {};
    this.ready = new Promise((resolve, reject) => {
      onReady = resolve;
      onFailed = reject;
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`worker ${this.worker} ended before it could serve`)));
    });
    this.ready.catch(() => undefined); // Whoever waits hears it; later lives are not waited for.
    const { answer, hear } = options;
    this.channel = new Channel<PrimaryAsks, PrimaryNews, WorkerAsks, WorkerNews>(peerOf(child), {
      answer,
      hear: { ...hear, ready: () => onReady(), failed: (message) => onFailed(new Error(message)) },
    });
    passLines(child, options.onLines);
    this.channel.tell("start", options.start);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** At once, whatever it does. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Lines of several processes must not be mixed: only whole ones are passed on. */
function passLines({ stdout }: ChildProcess, onLines: (lines: string) => void): void {
  let rest = "";
  stdout?.setEncoding("utf8");
  stdout?.on("data", (text: string) => {
    const end = text.lastIndexOf("\n");
    if (end === -1 && rest.length + text.length < lineLengthMax) {
      rest += text;
      return;
    }
    onLines(`${rest}${text.slice(0, end + 1)}`);
    rest = text.slice(end + 1);
  });
}
