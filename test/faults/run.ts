// `npm run faults [-- --rounds 40 --seed 1 --of ledger|gateway]`: the long crash suite, with figures at its end. Exits with
// 1 when anything was lost, doubled or skipped.
import { parseArgs } from "node:util";
import { runCrashSuite } from "./crash-suite.ts";
import { runGatewaySuite } from "./gateway-suite.ts";
import { seededRandom } from "./seeded-random.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "40" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    of: { type: "string", default: "ledger" },
    "window-ms": { type: "string", default: "120000" },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
say(`seed ${values.seed}`);
const rounds = Number(values.rounds);
const random = seededRandom(Number(values.seed));
const report =
  values.of === "gateway"
    ? await runGatewaySuite({ rounds, random, say })
    : await runCrashSuite({ rounds, duplicateWindowMs: Number(values["window-ms"]), random, say });
const { problems, ...figures } = report;
for (const [name, figure] of Object.entries(figures)) say(`${name.padEnd(18)} ${figure}`);
for (const problem of problems.slice(0, 50)) say(`WRONG: ${problem}`);
say(problems.length === 0 ? "nothing lost, nothing doubled, no gap, all sums equal" : `${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
