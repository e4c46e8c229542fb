// Where the connections of a port come from: a listening socket of this process, or another process that has one.
import { type AddressInfo, createServer, type Socket } from "node:net";

export interface ConnectionSource {
  /** Gives every connection to `take` from now on. Rejects with a sentence that names the port when it cannot be had. */
  open(take: (socket: Socket) => void): Promise<Pick<AddressInfo, "address" | "port">>;
  /** No connection comes any more. */
  close(): void;
}

export type ListenOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Tries the next ports, up to 20, when the one wanted is taken. Default false. */
  readonly nextFreePort?: boolean | undefined;
  /** More connections at once are refused. */
  readonly maxConnections: number;
  /** Nothing is read from connections: they are for another process. Default false. */
  readonly pauseOnConnect?: boolean | undefined;
};

const portsTriedMax = 20;

/** A listening socket. */
export function createListener(options: ListenOptions): ConnectionSource {
  const { host, port, nextFreePort, maxConnections, pauseOnConnect = false } = options;
  const server = createServer({ noDelay: true, pauseOnConnect });
  server.maxConnections = maxConnections;

  function tryListen(candidate: number): Promise<NodeJS.ErrnoException | undefined> {
    return new Promise((resolve) => {
      const onError = (error: NodeJS.ErrnoException) => resolve(error);
      server.once("error", onError);
      server.listen({ host, port: candidate }, () => {
        server.off("error", onError);
        // Failing to accept one connection (no file descriptors left) must not end the process.
        server.on("error", () => undefined);
        resolve(undefined);
      });
    });
  }

  return {
    async open(take) {
      server.on("connection", take);
      const last = nextFreePort === true && port !== 0 ? Math.min(port + portsTriedMax, 65_535) : port;
      for (let candidate = port; ; candidate += 1) {
        const failure = await tryListen(candidate);
        if (failure === undefined) break;
        if (failure.code !== "EADDRINUSE" || candidate >= last) {
          throw new Error(describeListenFailure(host, candidate, failure), { cause: failure });
        }
      }
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("the server listens on no TCP port");
      return address;
    },
    close: () => void server.close(),
  };
}

function describeListenFailure(host: string, port: number, failure: NodeJS.ErrnoException): string {
  switch (failure.code) {
    case "EADDRINUSE":
      return `cannot listen on ${host}:${port}: the port is taken by another program`;
    case "EACCES":
      return `cannot listen on ${host}:${port}: this user may not use the port`;
    case "EADDRNOTAVAIL":
      return `cannot listen on ${host}:${port}: this machine does not have the address`;
    default:
      return `cannot listen on ${host}:${port}: ${failure.code ?? failure.message}`;
  }
}
