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

/** Places that connections have in a worker. */
type Places = {
  /** Open connections. */
  open: number;
  /** Given, and not known to have left this process: unread, so that another worker can have them. */
  readonly leaving: Set<Socket>;
};

const limits = { waitingMax: 1_024 } as const;

export class ConnectionDesk {
  readonly #options: ConnectionDeskOptions;
  readonly #seats = new Map<Seat, Places>();
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
    for (const { open } of this.#seats.values()) sum += open;
    return sum;
  }

  add(seat: Seat): void {
    this.#seats.set(seat, { open: 0, leaving: new Set() });
    for (const socket of this.#waiting) this.#give(socket);
  }

  /** The worker has ended, and its connections with it. What has not left this process is given to another. */
  remove(seat: Seat): void {
    const places = this.#seats.get(seat);
    this.#seats.delete(seat);
    for (const socket of places?.leaving ?? []) this.#wait(socket);
  }

  /** A connection that the worker was given is closed. */
  closed(seat: Seat): void {
    const places = this.#seats.get(seat);
    if (places !== undefined) places.open = Math.max(0, places.open - 1);
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
    if (isFull) {
      socket.destroy();
      return;
    }
    socket.on("close", () => this.#waiting.delete(socket));
    this.#wait(socket);
  }

  #wait(socket: Socket): void {
    if (this.#isClosed || socket.destroyed) {
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    this.#give(socket);
  }

  #give(socket: Socket): void {
    const [seat, places] = this.#emptiest() ?? [];
    if (seat === undefined || places === undefined) return;
    this.#waiting.delete(socket);
    places.open += 1;
    places.leaving.add(socket);
    seat.give(socket, (error) => {
      const isOurs = places.leaving.delete(socket) && this.#seats.get(seat) === places;
      if (error === null || !isOurs) return; // Without its worker it has been given to another.
      this.closed(seat);
      socket.destroy();
    });
  }

  #emptiest(): readonly [Seat, Places] | undefined {
    let found: readonly [Seat, Places] | undefined;
    for (const entry of this.#seats) if (found === undefined || entry[1].open < found[1].open) found = entry;
    return found;
  }
}
