import type { LedgerLog } from "./ledger.ts";

export type SparseLogOptions = {
  readonly log: LedgerLog;
  /** Milliseconds of a clock that only goes forward. */
  readonly nowMs: () => number;
};

const repeatMs = 60_000;
/** Two reasons that take turns write this often at most. */
const changeMs = 5_000;
const messagesMax = 64;

type Said = { readonly atMs: number; readonly because: string };

/** Warnings of something that goes on: each message once a minute, or when its reason has changed. */
export class SparseLog {
  readonly #options: SparseLogOptions;
  readonly #said = new Map<string, Said>();

  constructor(options: SparseLogOptions) {
    this.#options = options;
  }

  /** `message` is a fixed sentence; `because` and `facts` hold no secret and no content. */
  warn(message: string, because: string, facts: Readonly<Record<string, unknown>> = {}): void {
    const atMs = this.#options.nowMs();
    const said = this.#said.get(message);
    const quietMs = said?.because === because ? repeatMs : changeMs;
    if (said !== undefined && atMs - said.atMs < quietMs) return;
    if (this.#said.size >= messagesMax) this.#said.clear();
    this.#said.set(message, { atMs, because });
    this.#options.log.warn(message, { because, ...facts });
  }
}
