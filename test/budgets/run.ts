// `node test/budgets/run.ts [--rounds 10 --calls 12000 --callers 300 --kills 2 --seed 1]`: the long form. Exits with 1 when a
// budget or a limit was passed, or too much of it was left.
import { parseArgs } from "node:util";
import { seededRandom } from "../faults/seeded-random.ts";
import { formatSpending } from "./format-spending.ts";
import { runRound } from "./three-replicas.ts";

/** Of a burst, what is in flight at a kill is a larger part. */
const unusedMax = { budget: 0.02, limit: 0.02, burst: 0.05 } as const;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    calls: { type: "string", default: "12000" },
    callers: { type: "string", default: "300" },
    kills: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
say(`seed ${values.seed}`);
const random = seededRandom(Number(values.seed));
let worstUnused = 0;
let wrong = 0;
for (let round = 1; round <= Number(values.rounds); round += 1) {
  const [callers, calls, kills] = [Number(values.callers), Number(values.calls), Number(values.kills)];
  for (const spending of await runRound({ callers, calls, kills, random })) {
    say(`round ${round}  ${formatSpending(spending)}`);
    if (spending.what !== "burst") worstUnused = Math.max(worstUnused, spending.unused);
    if (spending.overspent > 0 || spending.unbilledAnswers > 0 || spending.unused > unusedMax[spending.what])
      wrong += 1;
  }
}
say(`${wrong === 0 ? "nothing overspent" : `${wrong} wrong`}; at most ${(worstUnused * 100).toFixed(2)} % unused`);
process.exitCode = wrong === 0 ? 0 : 1;
