// The listening socket of all workers. The primary process accepts and gives each connection to the worker that has the
// fewest: gRPC clients hold few connections for long, and chance would leave one core idle. The port stays open while a
// worker is started again; connections that come when none serves wait for one.
import type { Socket } from "node:net";
import type { ConnectionSource } from "../../server/connection-source.ts";

/** A worker that takes connections. */
export type Seat = {
  /** `sent` hears whether the socket has left this process. */
  give(socket: Socket, sent: (error: Error | null) => void): void;
};

export type ConnectionDeskOptions = {
  /** Sockets must come paused: what has been read here cannot be given away. */
  readonly source: ConnectionSource;
  /** Most connections of all workers; more are refused. */
  readonly connectionsMax: number;
};

const limits = { waitingMax: 1_024 } as const;

export class ConnectionDesk {
  readonly #options: ConnectionDeskOptions;
  /** Open connections of each. */
  readonly #seats = new Map<Seat, number>();
  readonly #waiting = new Set<Socket>();
  #isClosed = false;

  constructor(options: ConnectionDeskOptions) {
    this.#options = options;
  }

  open(): ReturnType<ConnectionSource["open"]> {
    return this.#options.source.open((socket) => this.#take(socket));
  }

  /** Open connections, those that wait included. */
  get connections(): number {
    let sum = this.#waiting.size;
    for (const open of this.#seats.values()) sum += open;
    return sum;
  }

  add(seat: Seat): void {
    this.#seats.set(seat, 0);
    for (const socket of this.#waiting) this.#give(socket);
  }

  /** The worker has ended, and its connections with it. */
  remove(seat: Seat): void {
    this.#seats.delete(seat);
  }

  /** A connection that the worker was given is closed. */
  closed(seat: Seat): void {
    const open = this.#seats.get(seat);
    if (open !== undefined) this.#seats.set(seat, Math.max(0, open - 1));
  }

  /** Nothing new from now on. */
  close(): void {
    this.#isClosed = true;
    this.#options.source.close();
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting.clear();
  }

  #take(socket: Socket): void {
    socket.on("error", () => undefined); // Followed by "close".
    const isFull = this.connections >= this.#options.connectionsMax || this.#waiting.size >= limits.waitingMax;
    if (this.#isClosed || isFull) {
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    socket.on("close", () => this.#waiting.delete(socket));
    this.#give(socket);
  }

  #give(socket: Socket): void {
    const [seat, open] = this.#emptiest() ?? [];
    if (seat === undefined || open === undefined) return;
    this.#waiting.delete(socket);
    this.#seats.set(seat, open + 1);
    seat.give(socket, (error) => {
      if (error === null) return;
      this.closed(seat);
      socket.destroy();
    });
  }

  #emptiest(): readonly [Seat, number] | undefined {
    let found: readonly [Seat, number] | undefined;
    for (const entry of this.#seats) if (found === undefined || entry[1] < found[1]) found = entry;
    return found;
  }
}
