import { describe, expect, it } from "vitest";
import { demoConfig } from "../../config/demo-config.ts";
import { knownNames } from "../known-names.ts";
import { sharesBelowOne, toWorkerConfig } from "./worker-config.ts";

const demo = demoConfig({
  simulatorUrl: "http://127.0.0.1:1",
  dataDir: "/absent",
  keySecret: "llmg_demo",
  environment: {},
  known: knownNames,
});

function withConnections(maxConnections: number) {
  return { ...demo, providers: demo.providers.slice(0, 1).map((provider) => ({ ...provider, maxConnections })) };
}

function connectionsOf(whole: number, count: number): readonly (number | undefined)[] {
  return Array.from(
    { length: count },
    (_, index) => toWorkerConfig(withConnections(whole), index + 1, count).providers[0]?.maxConnections,
  );
}

describe("shares of workers", () => {
  it("add up to what the file says: the first have what does not divide", () => {
    expect(connectionsOf(7, 3)).toEqual([3, 2, 2]);
    expect(connectionsOf(8, 4)).toEqual([2, 2, 2, 2]);
    expect(sharesBelowOne(withConnections(7), 3)).toEqual([]);
  });

  it("are one where there is less than one for each, which is said", () => {
    expect(connectionsOf(2, 3)).toEqual([1, 1, 1]);
    expect(sharesBelowOne(withConnections(2), 3)).toEqual([
      { setting: expect.stringMatching(/^providers .+: max_connections$/), configured: 2, together: 3 },
    ]);
  });
});
