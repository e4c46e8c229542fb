import { expect, it } from "vitest";
import { beginLife } from "./testing/begin-life.ts";

/** The file that `fork` runs, which is this program's for as long as the test lasts. */
function withoutExecutable<Value>(run: () => Value): Value {
  const { execPath } = process;
  process.execPath = "/absent/node";
  try {
    return run();
  } finally {
    process.execPath = execPath;
  }
}

it("says that a process that could not be started is over", async () => {
  const life = withoutExecutable(() => beginLife(1, "/absent"));
  await expect(life.ready).rejects.toThrow("ENOENT");
  expect(await life.exited).toEqual({ code: null, signal: null });
});
