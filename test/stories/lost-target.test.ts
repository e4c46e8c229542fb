// A gateway that is killed in the middle of a call, and whose next life no longer knows the target: the bill of the lost
// call is made all the same, and its attempt and its sums agree.
import { afterEach, expect, it } from "vitest";
import { Outcome, type StreamCompleteResponse } from "../../src/contract.ts";
import { ask, eventually, responseIdOf, Stage, saidIn } from "./stage.ts";

let stage: Stage | undefined;
afterEach(() => stage?.close());

it("prices a lost call whose target and provider are gone from the config", async () => {
  stage = await Stage.open({
    models: { small: ["sim/sim-small"], long: ["claude/sim-tokens-4000+pace-2ms"] },
  });
  const stream = stage.stream(ask("long"));
  const messages: StreamCompleteResponse[] = [];
  stream.on("data", (message: StreamCompleteResponse) => messages.push(message));
  const ended = new Promise((resolve) => stream.on("error", resolve));
  await eventually(() => (saidIn(messages).length > 2_500 ? true : undefined));
  stage.gateway.kill("SIGKILL");
  await stage.gateway.exited;
  await ended;

  await stage.restart((yaml) => yaml.replace(/^ {2}- \{ id: (?:claude|long),.*\n/gm, ""));
  const lost = await stage.eventOf(responseIdOf(messages));
  expect(lost.outcome).toBe(Outcome.LOST);
  expect(lost.cost?.totalNanoUsd).toBeGreaterThan(0n);
  expect(lost.cost?.incomplete).toBe(false);
  const [attempt] = lost.attempts;
  expect(attempt).toMatchObject({ providerId: "claude", provider: "anthropic", costNanoUsd: lost.cost?.totalNanoUsd });
  expect(attempt?.usage).toEqual(lost.usage);
  expect(attempt?.usage?.outputTokens).toBeGreaterThan(0);
});
