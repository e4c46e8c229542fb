#!/usr/bin/env node
// The entry: compiled code is cached between starts, and everything else is the command line's business.
import { enableCompileCache } from "node:module";

enableCompileCache();
if (process.argv[2] === "serve") {
  const { boundYoungGeneration } = await import("./cli/bound-young-generation.ts");
  boundYoungGeneration(); // Before anything else is loaded.
}
const { runProgram } = await import("./cli/program.ts");
process.exitCode = await runProgram(process.argv);
