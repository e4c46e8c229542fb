import type { Stream } from "../http2/stream.ts";
import type { FairTurns, Startable } from "./fair-turns.ts";

/** So much comes for one turn: half of a stream's window, at which the peer is allowed more. */
const partBytes = 128 * 1024;
/** Some time to read a part from the socket and to put it to the rest. */
const partMs = 0.25;

/** Lets a large message come part by part, each in its tenant's turn. */
export class ReceiveInTurn implements Startable {
  readonly #stream: Stream;
  readonly #turns: FairTurns;
  readonly #tenant: string;
  #bytes = 0;
  #isHeld = false;

  constructor(stream: Stream, turns: FairTurns, tenant: string) {
    this.#stream = stream;
    this.#turns = turns;
    this.#tenant = tenant;
  }

  /** `bytes` have come, and so many are missing. False: no more than a window until the tenant's turn has come. */
  take(bytes: number, missingBytes: number): boolean {
    this.#bytes += bytes;
    if (this.#bytes >= partBytes && missingBytes > 0 && !this.#isHeld) {
      this.#bytes = 0;
      this.#isHeld = true;
      this.#turns.run(this.#tenant, this);
    }
    return !this.#isHeld;
  }

  startNow(): void {
    this.#isHeld = false;
    if (this.#stream.isClosed || this.#stream.isRemoteEnded) return;
    this.#turns.owe(partMs);
    this.#stream.resume();
  }
}
