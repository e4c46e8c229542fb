import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AccountRecord,
  emptyAccount,
  exchangeLease,
  formatAccount,
  parseAccount,
  sumOf,
} from "./account-record.ts";

const amounts = fc.bigInt({ min: 0n, max: 1n << 62n });
const records: fc.Arbitrary<AccountRecord> = fc.record({
  used: amounts,
  leases: fc
    .array(fc.tuple(fc.string(), fc.record({ id: fc.string(), amount: amounts, told: amounts, nonce: fc.string() })), {
      maxLength: 8,
    })
    .map((rows) => new Map(rows)),
});

describe("an account as text", () => {
  it("is read back as it was written", () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(parseAccount(formatAccount(record))).toEqual(record);
      }),
    );
  });

  it.each([
    "",
    "{}",
    "null",
    '{"used":"1"}',
    '{"used":1,"leases":[]}',
    '{"used":"-1","leases":[]}',
    '{"used":"1","leases":[["a"]]}',
  ])("is refused when it is %j: an unreadable account must not look empty", (text) => {
    expect(() => parseAccount(text)).toThrow();
  });
});

describe("the leases of an account", () => {
  const account = { key: "k", limit: 10_000n, endsAtMs: Number.POSITIVE_INFINITY, isShort: false };

  it("stay few however many instances come and go, and the sum is kept", () => {
    let record = emptyAccount;
    for (let life = 0; life < 300; life++) {
      const request = { account, leaseId: "", spentTotal: 0n, returned: 0n, need: 3n, want: 0n };
      record = exchangeLease(record, `life-${life}`, `nonce-${life}`, request).record;
      expect(record.used + sumOf(record.leases)).toBe(BigInt(life + 1) * 3n);
    }
    expect(record.leases.size).toBeLessThanOrEqual(128);
    expect(record.leases.has("life-299")).toBe(true);
  });

  it("grant nothing on an account whose limit was lowered below what is spent", () => {
    const before: AccountRecord = { used: 9_000n, leases: new Map() };
    const request = { leaseId: "", spentTotal: 0n, returned: 0n, need: 1n, want: 100n };
    const { grant } = exchangeLease(before, "a", "n", { ...request, account: { ...account, limit: 5_000n } });
    expect(grant).toEqual({ leaseId: "n", leased: 0n, used: 9_000n, free: 0n });
  });
});
