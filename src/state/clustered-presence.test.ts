// Instances that see each other over a real nats-server: shares when they come and go, and when NATS does.
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type NatsServer, startNats } from "../../test/nats-server.ts";
import { ClusteredPresence } from "./clustered-presence.ts";

const times = { beatMs: 30, cutOffMs: 500, goneMs: 900 };
const patience = { timeout: 10_000, interval: 10 };

let server: NatsServer;
const connections: NatsConnection[] = [];
const open: ClusteredPresence[] = [];

beforeAll(async () => {
  server = await startNats();
});

afterEach(async () => {
  for (const presence of open.splice(0)) await presence.close();
});

afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await server.stop();
});

let lives = 0;

/** `inUse`: calls in flight at the one gate of ten slots. */
function come(inUse: () => number = () => 0) {
  const presence = new ClusteredPresence({
    connect: async () => {
      const connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
      connections.push(connection);
      return connection;
    },
    holder: `life-${lives++}`,
    inUse: () => (inUse() === 0 ? [] : [{ gate: "g", inUse: inUse(), total: 10 }]),
    times,
  });
  open.push(presence);
  return presence;
}

const shares = () => open.map((presence) => presence.share(10, "g"));
const sum = () => shares().reduce<number>((total, share) => total + (share ?? 0), 0);

describe("instances on one NATS", () => {
  it("have a limit to themselves when they are alone, share it when others come, and get it back when they leave", async () => {
    const first = come();
    await first.settled(10_000);
    expect(shares()).toEqual([10]);
    come();
    come();
    for (let looks = 0; shares().toSorted().join() !== "3,3,4"; looks++) {
      expect(sum()).toBeLessThanOrEqual(10);
      expect(looks).toBeLessThan(1_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(first.instances).toBe(3);
    await open.pop()?.close();
    await vi.waitFor(() => expect(shares()).toEqual([5, 5]), patience);
  });

  it("leave to one that comes what calls in flight do not hold", async () => {
    let inFlight = 9;
    const first = come(() => inFlight);
    await first.settled(10_000);
    const second = come();
    await vi.waitFor(() => expect(second.share(10, "g")).toBe(1), patience);
    expect(second.share(10, "another")).toBe(5);
    inFlight = 0;
    await vi.waitFor(() => expect(second.share(10, "g")).toBe(5), patience);
  });

  it("stop using their share while NATS is away, and have it again when it is back", async () => {
    come();
    come();
    await vi.waitFor(() => expect(shares()).toEqual([5, 5]), patience);
    await server.kill();
    await vi.waitFor(() => expect(shares()).toEqual([undefined, undefined]), patience);
    expect(open.map((presence) => presence.lastShare(10, "g"))).toEqual([5, 5]);
    await server.restart();
    await vi.waitFor(() => expect(shares()).toEqual([5, 5]), { timeout: 20_000, interval: 20 });
  });

  it("take the share of one that is heard of no more, after it has stopped using it", async () => {
    const first = come();
    await first.settled(10_000);
    const silent = come();
    await vi.waitFor(() => expect(shares()).toEqual([5, 5]), patience);
    await Promise.all(connections.slice(-1).map((connection) => connection.close())); // The second one's.
    await vi.waitFor(() => {
      expect(sum()).toBeLessThanOrEqual(10);
      expect(first.share(10, "g")).toBe(10);
    }, patience);
    expect(silent.share(10, "g")).toBeUndefined();
  });
});
