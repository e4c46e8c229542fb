import { describe, expect, it } from "vitest";
import { isVersionRecent } from "./ensure-nats.ts";

describe("the nats-server that tests run against", () => {
  it.each([
    ["nats-server: v2.12.0", true],
    ["nats-server: v2.15.1", true],
    ["nats-server: v3.0.0", true],
    ["nats-server: v2.9.10", false],
    ["nats-server: v1.99.0", false],
    ["", false],
  ])("takes %j: %s", (text, recent) => {
    expect(isVersionRecent(text)).toBe(recent);
  });
});
