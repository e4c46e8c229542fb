// One suite for both engines: what the port promises holds whoever keeps the accounts.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type NatsServer, startNats } from "../../test/nats-server.ts";
import type { Account, LeaseExchange, LeaseStore } from "../domain/lease-store.ts";
import { createClusteredLeaseStore } from "./clustered-lease-store.ts";
import { openEmbeddedLeaseStore } from "./embedded-lease-store.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");

function accountOf(key: string, limit: bigint, isShort = false): Account {
  return { key, limit, endsAtMs: Number.POSITIVE_INFINITY, isShort };
}

function exchangeOf(account: Account, leaseId: string, change: Partial<LeaseExchange>): LeaseExchange {
  return { account, leaseId, spentTotal: 0n, returned: 0n, need: 0n, want: 0n, ...change };
}

/** Opens the same accounts again, as another life of the gateway. */
type Engine = { readonly open: () => Promise<LeaseStore>; readonly stop: () => Promise<void> };

let server: NatsServer;
const connections: NatsConnection[] = [];

async function connectTo(url: string): Promise<NatsConnection> {
  const connection = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  connections.push(connection);
  return connection;
}

beforeAll(async () => {
  server = await startNats();
});

afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
  await server.stop();
});

const engines: Readonly<Record<string, () => Engine>> = {
  embedded: () => {
    const dataDir = mkdtempSync(join(tmpdir(), "leases-"));
    return {
      open: () => Promise.resolve(openEmbeddedLeaseStore({ dataDir }, nowMs)),
      stop: async () => rmSync(dataDir, { recursive: true }),
    };
  },
  clustered: () => {
    const dataDir = mkdtempSync(join(tmpdir(), "leases-"));
    return {
      open: async () => createClusteredLeaseStore({ connect: () => connectTo(server.url), replicas: 1, dataDir }),
      stop: async () => rmSync(dataDir, { recursive: true }),
    };
  },
};

describe.each(Object.keys(engines))("the %s engine", (name) => {
  let engine: Engine;
  let store: LeaseStore;

  beforeAll(async () => {
    const create = engines[name];
    if (create === undefined) throw new Error("no such engine");
    engine = create();
    store = await engine.open();
  });

  afterAll(async () => {
    await store.close();
    await engine.stop();
  });

  it("leases all of what is needed, and no more than is free", async () => {
    const account = accountOf(`${name}.need`, 100n);
    const { leaseId, ...first } = await store.exchange(exchangeOf(account, "", { need: 60n }));
    expect(first).toMatchObject({ leased: 60n, free: 40n });
    const second = await store.exchange(exchangeOf(account, leaseId, { need: 41n }));
    expect(second).toMatchObject({ leaseId, leased: 60n, free: 40n });
    const third = await store.exchange(exchangeOf(account, leaseId, { need: 40n }));
    expect(third).toMatchObject({ leaseId, leased: 100n, free: 0n });
  });

  it("books what was spent, once, however often it is told, and takes back what was not", async () => {
    const account = accountOf(`${name}.spent`, 100n);
    const { leaseId } = await store.exchange(exchangeOf(account, "", { need: 60n }));
    await store.exchange(exchangeOf(account, leaseId, { spentTotal: 10n }));
    const grant = await store.exchange(exchangeOf(account, leaseId, { spentTotal: 10n, returned: 50n }));
    expect(grant).toEqual({ leaseId, leased: 0n, used: 10n, free: 90n });
    expect(await store.used(account.key)).toBe(10n);
    expect(await store.used(account.key, account.isShort)).toBe(10n);
    expect(await store.used(`${name}.unknown`)).toBe(0n);
  });

  it("takes a lease back whose grant never reached its holder", async () => {
    const account = accountOf(`${name}.lost`, 100n);
    await store.exchange(exchangeOf(account, "", { need: 60n }));
    expect(await store.exchange(exchangeOf(account, "", { need: 90n }))).toMatchObject({ leased: 90n, free: 10n });
  });

  it("gives a slice beyond the need that shrinks with what is left", async () => {
    const account = accountOf(`${name}.slice`, 1_000n, true);
    const first = await store.exchange(exchangeOf(account, "", { need: 1n, want: 1_000n }));
    expect(first.leased).toBe(250n);
    const second = await store.exchange(exchangeOf(account, first.leaseId, { need: 1n, want: 1_000n }));
    expect(second.leased).toBe(250n + 187n);
  });

  it("keeps amounts past the exact range of numbers", async () => {
    const account = accountOf(`${name}.large`, 1n << 62n);
    const amount = 9_007_199_254_740_993n;
    const { leaseId } = await store.exchange(exchangeOf(account, "", { need: amount }));
    const grant = await store.exchange(exchangeOf(account, leaseId, { spentTotal: amount }));
    expect(grant.used).toBe(amount);
  });

  it("counts what a life that ended without a word had leased", async () => {
    const account = accountOf(`${name}.crash`, 100n);
    await store.exchange(exchangeOf(account, "", { need: 30n }));
    await store.close();
    store = await engine.open();
    const { leaseId, ...grant } = await store.exchange(exchangeOf(account, "", { need: 71n }));
    expect(grant).toMatchObject({ leased: 0n, free: 70n });
    const rest = await store.exchange(exchangeOf(account, leaseId, { need: 70n }));
    expect(rest).toMatchObject({ leased: 70n, free: 0n });
  });

  it("takes back what a killed life had leased and cannot have spent", async () => {
    const account = accountOf(`${name}.reclaimed`, 100n);
    const { leaseId } = await store.exchange(exchangeOf(account, "", { need: 60n }));
    store.allow(account, leaseId, 10n);
    await store.exchange(exchangeOf(account, leaseId, { spentTotal: 8n }));
    store.allow(account, leaseId, 25n);
    await store.close(); // Without giving anything back: as a kill does.
    store = await engine.open();
    await vi.waitFor(async () => expect(await store.used(account.key)).toBe(25n));
    const { leased, free } = await store.exchange(exchangeOf(account, "", { need: 75n }));
    expect({ leased, free }).toEqual({ leased: 75n, free: 0n });
  });

  it("serves many accounts at once", async () => {
    const grants = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        store.exchange(exchangeOf(accountOf(`${name}.many-${index}`, 10n), "", { need: BigInt(index % 10) })),
      ),
    );
    expect(grants.map(({ leased }) => leased)).toEqual(Array.from({ length: 500 }, (_, index) => BigInt(index % 10)));
  });
});

describe("several instances on one NATS", () => {
  it("get back what one of them had leased also when NATS is away while it starts again", async () => {
    const own = await startNats();
    const dataDir = mkdtempSync(join(tmpdir(), "leases-"));
    const connection = await connect({ servers: own.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
    const open = () =>
      createClusteredLeaseStore({
        connect: () => Promise.resolve(connection),
        replicas: 1,
        dataDir,
        exchangeMsMax: 20_000,
      });
    try {
      const account = accountOf("returned", 100n);
      const killed = open();
      const { leaseId } = await killed.exchange(exchangeOf(account, "", { need: 100n }));
      killed.allow(account, leaseId, 30n);
      await own.kill();
      const next = open();
      await own.restart();
      await vi.waitFor(async () => expect(await next.used(account.key)).toBe(30n), { timeout: 20_000, interval: 50 });
      expect(await next.exchange(exchangeOf(account, "", { need: 70n }))).toMatchObject({ leased: 70n });
    } finally {
      await connection.close();
      await own.stop();
      rmSync(dataDir, { recursive: true });
    }
  });

  it("never lease more than the limit together, however they collide", async () => {
    const account = accountOf("together", 500n);
    const stores = await Promise.all(
      Array.from({ length: 4 }, async () =>
        createClusteredLeaseStore({ connect: () => connectTo(server.url), replicas: 1, exchangeMsMax: 20_000 }),
      ),
    );
    const leased = stores.map(() => 0n);
    await Promise.all(
      stores.map(async (store, index) => {
        let leaseId = "";
        for (let round = 0; round < 40; round++) {
          const grant = await store.exchange(exchangeOf(account, leaseId, { need: 4n }));
          leaseId = grant.leaseId;
          leased[index] = grant.leased;
        }
      }),
    );
    expect(leased.reduce((sum, amount) => sum + amount, 0n)).toBe(500n);
  });

  it("goes on after nats-server was killed, with every lease still counted", async () => {
    const own = await startNats();
    const connection = await connect({ servers: own.url, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
    try {
      const store = createClusteredLeaseStore({ connect: () => Promise.resolve(connection), exchangeMsMax: 300 });
      const account = accountOf("killed", 100n);
      await store.exchange(exchangeOf(account, "", { need: 60n }));
      await own.kill();
      await expect(store.exchange(exchangeOf(account, "", { need: 1n }))).rejects.toThrow("shared state");
      await own.restart();
      const patient = createClusteredLeaseStore({ connect: () => Promise.resolve(connection), exchangeMsMax: 20_000 });
      const grant = await patient.exchange(exchangeOf(account, "", { need: 40n }));
      expect(grant.leased).toBeLessThanOrEqual(40n);
      expect(grant.leased + grant.free).toBeLessThanOrEqual(40n);
      expect(grant.leased).toBeGreaterThanOrEqual(0n);
    } finally {
      await connection.close();
      await own.stop();
    }
  });
});
