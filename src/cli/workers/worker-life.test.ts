import { expect, it } from "vitest";
import { demoConfig } from "../../config/demo-config.ts";
import { knownNames } from "../known-names.ts";
import type { WorkerLifeOptions } from "./worker-life.ts";
import { WorkerLife } from "./worker-life.ts";

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
  const none = (): never => expect.fail("nobody asks");
  const answer: WorkerLifeOptions["answer"] = {
    exchange: none,
    used: none,
    slots: none,
    objectGet: none,
    objectList: none,
    objectPut: none,
    objectDelete: none,
    objectWatch: none,
    usageShards: none,
    usage: none,
    metrics: none,
  };
  const config = demoConfig({
    simulatorUrl: "http://127.0.0.1:1",
    dataDir: "/absent",
    keySecret: "llmg_demo",
    environment: {},
    known: knownNames,
  });
  const start = { worker: 1, instance: "test-1", address: "127.0.0.1", port: 1 };
  const life = withoutExecutable(
    () =>
      new WorkerLife({
        start: { ...start, config },
        answer,
        hear: { closed: none, slotsReturned: none },
        onLines: none,
      }),
  );
  await expect(life.ready).rejects.toThrow("ENOENT");
  expect(await life.exited).toEqual({ code: null, signal: null });
});
