// Generates `gen/` from `proto/` and `third_party/proto`. `--check`: fails when that would change a file.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const isCheck = process.argv.includes("--check");
const kept = isCheck ? mkdtempSync(join(tmpdir(), "gen-")) : undefined;
if (kept !== undefined) cpSync("gen", kept, { recursive: true });

const generated = spawnSync("buf", ["generate"], { stdio: "inherit" });
let exitCode = generated.status ?? 1;
if (kept !== undefined) {
  if (exitCode === 0) exitCode = spawnSync("diff", ["-r", kept, "gen"], { stdio: "inherit" }).status ?? 1;
  rmSync(kept, { recursive: true });
}
process.exitCode = exitCode;
