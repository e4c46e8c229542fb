import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const module = new URL("./bound-young-generation.ts", import.meta.url);

/** Prints the MiB of the young generation: bounded, after V8 has saved memory, and when a load came after that. */
const program = `
import { getHeapSpaceStatistics } from "node:v8";
const { boundYoungGeneration } = await import(${JSON.stringify(module.href)});
const sizes = [];
const look = () => sizes.push(getHeapSpaceStatistics().find((space) => space.space_name === "new_space").space_size >> 20);
boundYoungGeneration();
look();
gc({ type: "major", execution: "sync", flavor: "last-resort" });
look();
const alive = [];
for (let turn = 0; turn < 400; turn++) {
  for (let index = 0; index < 10_000; index++) alive[(turn * 10_000 + index) % 30_000] = { index, list: [turn] };
  await new Promise((resolve) => setImmediate(resolve));
}
look();
console.log(JSON.stringify(sizes));
`;

it("the young generation has its size again when a load comes after a quiet time in which V8 made it smaller", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", "--input-type=module", "-e", program]);
  const [bounded, saved, loaded] = JSON.parse(stdout);
  expect(bounded).toBe(32);
  expect(saved).toBeLessThan(8);
  expect(loaded).toBe(32);
});
