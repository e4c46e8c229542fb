import { expect } from "vitest";
import { demoConfig } from "../../../config/demo-config.ts";
import { knownNames } from "../../known-names.ts";
import { WorkerLife } from "../worker-life.ts";

/** Starts a worker with a demo's config, of which nobody expects a question. */
export function beginLife(worker: number, dataDir: string): WorkerLife {
  const none = (): never => expect.fail("nobody asks");
  const config = demoConfig({
    simulatorUrl: "http://127.0.0.1:1",
    dataDir,
    keySecret: "llmg_demo",
    environment: {},
    known: knownNames,
  });
  return new WorkerLife({
    start: { worker, instance: "test", address: "127.0.0.1", port: 1, config },
    answer: {
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
      correctUsage: none,
      metrics: none,
    },
    hear: { closed: none, slotsReturned: none },
    onLines: none,
  });
}
