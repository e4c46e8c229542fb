// Three real nats-servers that hold streams together, on the loopback.
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type NatsServer, startNats } from "./nats-server.ts";

export type NatsCluster = {
  readonly nodes: readonly NatsServer[];
  readonly urls: readonly string[];
  /** The node that answers for a stream now; rejects when there is none within 20 s. */
  leaderOf(stream: string): Promise<NatsServer>;
  stop(): Promise<void>;
};

const size = 3;
const patienceMs = 20_000;

/** Resolves when the nodes have found each other and take streams of three replicas. */
export async function startNatsCluster(): Promise<NatsCluster> {
  const ports = await freePorts(size);
  const routes = ports.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const nodes = await Promise.all(
    ports.map((port) =>
      startNats({ config: `cluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}], pool_size: -1 }` }),
    ),
  );
  const urls = nodes.map(({ url }) => url);
  await retry(async () => {
    await ask(urls, async (manager) => {
      await manager.streams.add({ name: "probe", subjects: ["probe"], num_replicas: size });
      await manager.streams.delete("probe");
    });
  });
  return {
    nodes,
    urls,
    leaderOf: (stream) =>
      retry(async () => {
        const leader = await ask(urls, async (manager) => (await manager.streams.info(stream)).cluster?.leader);
        const led = nodes.find(({ name }) => name === leader);
        if (led === undefined) throw new Error("no leader");
        return led;
      }),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

type Manager = Awaited<ReturnType<typeof jetstreamManager>>;

async function ask<Value>(urls: readonly string[], question: (manager: Manager) => Promise<Value>): Promise<Value> {
  const connection = await connect({ servers: [...urls], reconnect: false, timeout: 2_000 });
  try {
    return await question(await jetstreamManager(connection, { checkAPI: false, timeout: 2_000 }));
  } finally {
    await connection.close();
  }
}

async function retry<Value>(attempt: () => Promise<Value>): Promise<Value> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Nodes must know each other's port before they start: these are free now, and all held until the last is found. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = [];
  for (let index = 0; index < count; index += 1) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
