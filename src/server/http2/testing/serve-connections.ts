import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { Connection, type ConnectionOptions, type RequestHandler } from "../connection.ts";

export type ServedConnections = {
  readonly port: number;
  readonly connections: Connection[];
  readonly close: () => Promise<void>;
};

const defaults: ConnectionOptions = {
  maxStreams: 100,
  streamWindowBytes: 1 << 20,
  connectionWindowBytes: 8 << 20,
  headerListBytesMax: 64 * 1024,
  pingIntervalMs: 60_000,
  onMalformed: () => {},
  pingTimeoutMs: 60_000,
};

/** Our HTTP/2 on a port of its own, without the sniffing and the calls above it. */
export async function serveConnections(
  onRequest: RequestHandler,
  options: Partial<ConnectionOptions> = {},
): Promise<ServedConnections> {
  const connections: Connection[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    connections.push(new Connection(socket, { ...defaults, ...options }, onRequest));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP port");
  return {
    port: address.port,
    connections,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
