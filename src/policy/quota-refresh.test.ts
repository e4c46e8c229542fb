import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import type { LeaseStore } from "../domain/lease-store.ts";
import { createQuota } from "./quota.ts";
import { QuotaRefresh } from "./quota-refresh.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");

/** A store that answers when it is told to; every third question fails. */
class SlowStore implements LeaseStore {
  readonly asked: { readonly key: string; readonly isShort: boolean | undefined }[] = [];
  waiting: (() => void)[] = [];

  used(key: string, isShort?: boolean): Promise<bigint> {
    const isFault = this.asked.push({ key, isShort }) % 3 === 0;
    return new Promise((resolve, reject) => {
      this.waiting.push(() => (isFault ? reject(new Error("away")) : resolve(7n)));
    });
  }

  async answer(): Promise<void> {
    const waiting = this.waiting;
    this.waiting = [];
    for (const answer of waiting) answer();
    await turn();
  }

  exchange = () => Promise.reject(new Error("nothing is spent"));
  allow(): void {}
  drop(): void {}
  close = () => Promise.resolve();
}

it("asks for many quotas a few at a time, once each, and not while it still asks", async () => {
  const store = new SlowStore();
  const quotas = Array.from({ length: 100 }, (_, index) =>
    createQuota({ key: `q${index}`, limit: 100n, period: index % 2 === 0 ? "day" : "month", store }),
  );
  const refresh = new QuotaRefresh();
  const round = refresh.run(quotas, nowMs);
  while (store.waiting.length > 0) {
    expect(store.waiting.length).toBeLessThanOrEqual(16);
    await refresh.run(quotas, nowMs);
    await store.answer();
  }
  await round;
  expect(store.asked.map(({ key }) => key.split(".")[0])).toEqual(quotas.map((_, index) => `q${index}`));
  for (const [index, { isShort }] of store.asked.entries()) expect(isShort).toBe(index % 2 === 0);
  expect(quotas.filter((quota) => quota.state(nowMs).spent === 7n)).toHaveLength(67);
  const next = refresh.run(quotas.slice(0, 1), nowMs);
  expect(store.waiting).toHaveLength(1);
  await store.answer();
  await next;
});
