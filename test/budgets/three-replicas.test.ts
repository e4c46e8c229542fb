import { expect, it } from "vitest";
import { seededRandom } from "../faults/seeded-random.ts";
import { formatSpending } from "./format-spending.ts";
import { runRound } from "./three-replicas.ts";

it("three replicas spend a budget and token limits whole, and not a nano-dollar more, though they and NATS are killed", async () => {
  const spendings = await runRound({ callers: 300, calls: 14_000, kills: 1, random: seededRandom(7) });
  for (const spending of spendings) {
    process.stdout.write(`${formatSpending(spending)}\n`);
    expect(spending.overspent).toBe(0);
    // What is in flight at a kill is a larger part of what passes in one burst.
    expect(spending.unused).toBeLessThanOrEqual(spending.what === "burst" ? 0.05 : 0.02);
    expect(spending.unbilledAnswers).toBe(0);
    expect(spending.billed).toBeLessThanOrEqual(spending.limit);
    expect(spending).toMatchObject({ replicaKills: 1, natsKills: 1 });
  }
}, 120_000);
