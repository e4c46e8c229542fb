import { ProviderFailure } from "../../domain/provider-failure.ts";
import { type CredentialParts, credentialFailure, type Dated, type Source } from "./credential-parts.ts";

/** Renewal begins so long before the end, or in the last fifth of a shorter life. */
const aheadMsMax = 5 * 60_000;
/** After a failure nobody asks again for so long. */
const failurePauseMs = 1_000;
/** A refusal causes no second load within so long, since calls in flight are refused together. */
const reloadPauseMs = 5_000;

type Held<Value> = Dated<Value> & { readonly renewAtMs: number; readonly loadedAtMs: number };

/** Keeps a value that expires: renews it before the end, once for all who ask, and lives with a failure while it is still good. */
export class RenewedSource<Value> implements Source<Value> {
  readonly #load: () => Promise<Dated<Value>>;
  readonly #nowMs: () => number;
  #held: Held<Value> | undefined;
  #loading: Promise<Value> | undefined;
  #failed: { readonly failure: ProviderFailure; readonly untilMs: number } | undefined;

  constructor(load: () => Promise<Dated<Value>>, { nowMs }: Pick<CredentialParts, "nowMs">) {
    this.#load = load;
    this.#nowMs = nowMs;
  }

  get(): Value | Promise<Value> {
    const now = this.#nowMs();
    const held = this.#held;
    if (held !== undefined && now < held.renewAtMs) return held.value;
    const next = this.#renew(now);
    if (held === undefined || now >= held.expiresAtMs) return next;
    // Still good: whoever asks after its end hears of the failure.
    next.catch(() => {});
    return held.value;
  }

  reload(isOrder = false): void {
    const held = this.#held;
    if (held !== undefined && (isOrder || this.#nowMs() >= held.loadedAtMs + reloadPauseMs)) this.#held = undefined;
    if (!isOrder) return;
    this.#failed = undefined;
    this.#loading = undefined; // What is under way may have been read before the order.
  }

  #renew(now: number): Promise<Value> {
    if (this.#loading !== undefined) return this.#loading;
    if (this.#failed !== undefined && now < this.#failed.untilMs) return Promise.reject(this.#failed.failure);
    const loading: Promise<Value> = this.#loadOnce(() => this.#loading === loading).finally(() => {
      if (this.#loading === loading) this.#loading = undefined;
    });
    this.#loading = loading;
    return loading;
  }

  /** `isWanted`: false once another load was begun in its place. */
  async #loadOnce(isWanted: () => boolean): Promise<Value> {
    try {
      const dated = await this.#load();
      if (!isWanted()) return dated.value;
      const now = this.#nowMs();
      const aheadMs = Math.min(aheadMsMax, (dated.expiresAtMs - now) / 5);
      this.#held = { ...dated, renewAtMs: dated.expiresAtMs - aheadMs, loadedAtMs: now };
      this.#failed = undefined;
      return dated.value;
    } catch (error) {
      const failure =
        error instanceof ProviderFailure && error.kind === "credentials-rejected"
          ? error
          : credentialFailure("the credential could not be fetched", error);
      this.#failed = { failure, untilMs: this.#nowMs() + failurePauseMs };
      throw failure;
    }
  }
}
