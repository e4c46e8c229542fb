// Everything that must hold before a change lands, cheapest first. `--static`: all but the tests.
import { runSteps, type Step } from "./run-steps.ts";

const baseline = "test/contract/baseline.binpb";

const staticSteps: readonly Step[] = [
  { name: "format and lint", command: "biome", args: ["ci", "--colors=off", "."] },
  {
    name: "typed lint",
    command: "oxlint",
    args: ["--config", "oxlint.json", "--type-aware", "src", "test", "bench", "scripts", "examples"],
  },
  { name: "types", command: "tsc", args: [] },
  { name: "contract lint", command: "buf", args: ["lint"] },
  { name: "contract format", command: "buf", args: ["format", "-d", "--exit-code", "proto"] },
  { name: "contract breaking", command: "buf", args: ["breaking", "proto", "--against", baseline] },
  { name: "generated code is fresh", command: "node", args: ["scripts/generate.ts", "--check"] },
  { name: "nothing unused", command: "knip", args: [] },
];

const tests: Step = { name: "tests", command: "npm", args: ["test"] };

const steps = process.argv.includes("--static") ? staticSteps : [...staticSteps, tests];
process.exitCode = runSteps(steps) ? 0 : 1;
