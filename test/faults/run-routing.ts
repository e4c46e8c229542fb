// `npm run faults:routing [-- --calls 200 --strategies priority,weighted,latency]`: three providers over real HTTP of which
// one does not do its duty. Fails below 99.9 %, and for any wrong text or attempt too many.
import { parseArgs } from "node:util";
import { runRoutingSuite } from "./routing-suite.ts";

const successRatioMin = 0.999;

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "200" },
    strategies: { type: "string", default: "priority,weighted,least_busy" },
  },
});
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const report = await runRoutingSuite({ calls: Number(values.calls), strategies: values.strategies.split(","), say });
const { failures, ...figures } = report;
for (const [name, figure] of Object.entries(figures)) say(`${name.padEnd(18)} ${figure}`);
for (const [reason, count] of Object.entries(failures)) say(`FAILED ${count} times: ${reason}`);
const ratio = report.succeeded / report.calls;
say(`succeeded          ${(ratio * 100).toFixed(3)} %`);
const isWrong = report.wrongTexts + report.overBudget + report.eventsMissing > 0;
process.exitCode = ratio >= successRatioMin && !isWrong ? 0 : 1;
