import { describe, expect, it } from "vitest";
import { demoConfig } from "./demo-config.ts";

const parts = {
  simulatorUrl: "http://127.0.0.1:40001",
  dataDir: "/tmp/demo",
  keySecret: "llmg_canary",
  environment: {},
  known: { kinds: ["openai", "anthropic"], dialects: [] },
};

describe("the demo", () => {
  it("calls nothing but the simulator when the environment names no key", () => {
    const config = demoConfig(parts);
    expect(config.providers.map(({ settings }) => settings.baseUrl)).toEqual([parts.simulatorUrl, parts.simulatorUrl]);
    expect(config.models.map(({ id }) => id)).toEqual([
      "demo",
      "demo-anthropic",
      "demo-embed",
      "demo-moderate",
      "demo-images",
      "demo-speech",
      "demo-transcribe",
    ]);
    expect(config.server).toMatchObject({ host: "127.0.0.1", port: 50051 });
    expect(config.dataDir).toBe("/tmp/demo");
  });

  it("adds the real providers whose keys stand in the environment, as references", () => {
    const config = demoConfig({ ...parts, environment: { OPENAI_API_KEY: "sk-canary", ANTHROPIC_API_KEY: "" } });
    expect(config.providers.map(({ settings }) => settings.id)).toEqual([
      "simulated-openai",
      "simulated-anthropic",
      "openai",
    ]);
    expect(config.models.map(({ id }) => id)).toContain("gpt-4.1-mini");
    expect(JSON.stringify(config)).not.toContain("canary");
  });

  it("knows its key by the digest, and lets it call models and read usage", () => {
    expect(demoConfig(parts).keys).toEqual([
      expect.objectContaining({
        id: "demo",
        projectId: "demo",
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        roles: ["inference", "usage"],
        models: ["*"],
      }),
    ]);
  });
});
