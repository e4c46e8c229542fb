// The workers as a whole: started together, started again when one dies, ended together. What a dead worker held comes
// free here, since its parent is the first to know.

import type { Log } from "../../telemetry/logger.ts";
import { exitCodePoisoned } from "../exit-codes.ts";
import type { ConnectionDesk, Seat } from "./connection-desk.ts";
import type { WorkerExit, WorkerLife } from "./worker-life.ts";

export type FleetOptions = {
  readonly count: number;
  readonly desk: ConnectionDesk;
  /** A new life of a worker, and what to do when it is over. */
  readonly begin: (worker: number) => { readonly life: WorkerLife; readonly seat: Seat; readonly onOver: () => void };
  readonly logger: Pick<Log["logger"], "info" | "warn" | "error">;
  /** The disk has failed in a worker, maybe while all end: the whole process should end, and say so by its exit code. */
  readonly onPoisoned: () => void;
};

/** A worker that dies again and again is started after a longer and longer wait, so that a broken one costs little. */
const limits = { restartMsMin: 50, restartMsMax: 10_000, steadyMs: 30_000 } as const;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #lives = new Map<number, WorkerLife>();
  readonly #ready = new Set<number>();
  /** Of workers that wait to be started again. */
  readonly #timers = new Set<NodeJS.Timeout>();
  #restarts = 0;
  #isEnding = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Resolves when all serve. Rejects with a line for the operator, with all ended, when one cannot. */
  async start(): Promise<void> {
    try {
      const lives = Array.from({ length: this.#options.count }, (_, index) => this.#begin(index + 1, 0));
      await Promise.all(lives.map(({ ready }) => ready));
    } catch (error) {
      await this.end(0);
      throw error;
    }
  }

  get lives(): Iterable<WorkerLife> {
    return this.#lives.values();
  }

  /** `undefined`: it does not serve just now. */
  serving(worker: number): WorkerLife | undefined {
    return this.#ready.has(worker) ? this.#lives.get(worker) : undefined;
  }

  get ready(): number {
    return this.#ready.size;
  }

  get restarts(): number {
    return this.#restarts;
  }

  reload(): void {
    for (const { channel } of this.#lives.values()) channel.tell("reload", undefined);
  }

  /** Lets calls under way finish; who has not ended after `patienceMs` is ended. */
  async end(patienceMs: number): Promise<void> {
    this.#isEnding = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const lives = [...this.#lives.values()];
    for (const { channel } of lives) channel.tell("drain", undefined);
    const timer = setTimeout(() => {
      for (const life of lives) life.kill();
    }, patienceMs);
    await Promise.all(lives.map(({ exited }) => exited));
    clearTimeout(timer);
  }

  /** At once: calls under way are LOST. */
  kill(): void {
    for (const life of this.#lives.values()) life.kill();
  }

  #begin(worker: number, failures: number): WorkerLife {
    const { desk, begin } = this.#options;
    const { life, seat, onOver } = begin(worker);
    const startedMs = performance.now();
    this.#lives.set(worker, life);
    life.ready.then(
      () => {
        if (this.#lives.get(worker) !== life) return;
        this.#ready.add(worker);
        desk.add(seat);
        this.#options.logger.info({ worker, pid: life.pid }, "a worker serves");
        this.#tellAll();
      },
      (error: unknown) => {
        this.#options.logger.error({ worker, reason: String(error) }, "a worker cannot start");
        life.kill(); // It has said why, and would wait for ever.
      },
    );
    void life.exited.then((exit) => {
      this.#ready.delete(worker);
      this.#lives.delete(worker);
      desk.remove(seat);
      life.channel.end();
      onOver();
      this.#tellAll();
      const wasSteady = performance.now() - startedMs >= limits.steadyMs;
      if (exit.code === exitCodePoisoned) this.#options.onPoisoned();
      else if (!this.#isEnding) this.#onDeath(worker, exit, wasSteady ? 0 : failures);
    });
    return life;
  }

  #onDeath(worker: number, { code, signal }: WorkerExit, failures: number): void {
    const { logger } = this.#options;
    const waitMs = Math.min(limits.restartMsMax, limits.restartMsMin * 2 ** failures);
    logger.warn({ worker, code, signal, waitMs }, "a worker died, and is started again");
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#restart(worker, failures + 1);
    }, waitMs);
    this.#timers.add(timer);
  }

  #restart(worker: number, failures: number): void {
    this.#restarts += 1;
    try {
      this.#begin(worker, failures);
    } catch (error) {
      this.#options.logger.error({ worker, reason: String(error) }, "a worker cannot start");
      this.#onDeath(worker, { code: null, signal: null }, failures);
    }
  }

  #tellAll(): void {
    const isReady = this.#ready.size === this.#options.count && !this.#isEnding;
    for (const { channel } of this.#lives.values()) channel.tell("fleet", { isReady });
  }
}
